"""What nginx is, by how it has answered and by what its workers did meanwhile. Pure.

An nginx that is full or busy serves whom it can. Its clients would follow the address to the next
node and fill that one: moving it would cut everybody and help nobody.
"""

import collections

# How nginx has answered. CLOSED: it accepted, and closed without a word. WRONG: not with success.
ANSWERED, CLOSED, SILENT, WRONG, REFUSED = "answered", "closed", "silent", "wrong", "refused"
# What it is by that. The first three are no reason to move the address.
ALIVE, FULL, BUSY, HUNG, DEAD = "alive", "full", "busy", "hung", "dead"

# A worker: the letter of its state, its CPU time in clock ticks, and how often it went to sleep.
Worker = collections.namedtuple("Worker", "state ticks sleeps")

# Without any answer, not even a late one, for so long it is hung, whatever its workers do: they may
# be in endless loops. A worker that computes for each of hundreds of requests, as for gzip, is as
# silent for seconds, and as seldom in the kernel.
BUSY_AT_MOST_S = 10.0
_ENDED, _STOPPED = ("Z", "X"), ("T", "t")


def judge(answer, watched, since_answer_s):
    """One of ALIVE, FULL, BUSY, HUNG, DEAD.

    answer: of the question just asked. watched: what the workers did, `WatchedWorkers`.
    since_answer_s: seconds since it was last alive or full; None if it never was.
    """
    if answer == ANSWERED:
        return ALIVE
    if answer == CLOSED:
        # A worker that crashes at every request closes as well.
        return DEAD if watched.any_ended() or not watched.last else FULL
    if answer != SILENT:
        return DEAD
    in_time = since_answer_s is not None and since_answer_s < BUSY_AT_MOST_S
    return BUSY if in_time and watched.any_works() else HUNG


class WatchedWorkers:
    """Two looks at the workers, each {pid: Worker}: when the question had waited for a while, and
    at its end. asked: the pids of nginx's children when it was asked."""

    def __init__(self, asked, before, last):
        self.asked = asked
        self.before = before
        self.last = last

    def any_ended(self):
        """Whether one of nginx's processes has ended since the question; `last` has them all."""
        return any(pid not in self.last or self.last[pid].state in _ENDED for pid in self.asked)

    def any_works(self):
        """Whether a worker goes on, if slowly. One that is frozen beside it changes nothing."""
        return any(map(self._works, self.last))

    def _works(self, pid):
        now, before = self.last[pid], self.before.get(pid)
        if now.state in _ENDED + _STOPPED:
            return False
        # Ready to run counts: it may be starved, or above its quota.
        return now.state == "R" or (before is not None and now[1:] != before[1:])
