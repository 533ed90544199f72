"""Whether this node's nginx may go on serving: asked where its clients cannot crowd it out."""

import contextlib
import time

from common.journal import say
from common.linux_processes import children, progress
from common.machine_files import read, write
from common.timing import boottime_s
from watch.changing_port import other_ports
from watch.health_question import HealthQuestion, wait
from watch.nginx_answer import (
    ALIVE,
    ANSWERED,
    BUSY,
    CLOSED,
    FULL,
    REFUSED,
    SILENT,
    WRONG,
    WatchedWorkers,
    Worker,
    judge,
)
from watch.nginx_master import PID_FILE
from watch.overload_episodes import OverloadEpisodes

# A listener of its own, with a queue of its own (templates/nginx/nginx.conf.j2).
SOCKET = "/run/nginx/health.sock"
# A process that ends closes its connections a moment before it is seen to have ended.
_END_IS_SEEN_S = 0.02
_BEST_FIRST = (ANSWERED, CLOSED, SILENT, WRONG, REFUSED)


class NginxHealth:
    """Asks nginx, and its workers' state of the kernel where it says nothing.

    overload_file: where it is written that nginx was full or busy.
    serves: whether this program was started anew beside an nginx that serves.
    """

    def __init__(
        self, port, timeout_s, overload_file, serves=False, path=SOCKET, pid_file=PID_FILE
    ):
        self.port = port
        self.timeout_s = timeout_s
        self.overload_file = overload_file
        self.path = path
        self.pid_files = (pid_file, pid_file + ".oldbin")
        self.answered_s = time.monotonic() if serves else None
        self.kept = []  # a question that waits for a late answer
        self.episodes = OverloadEpisodes()
        self._write()

    def answers(self):
        """Ask once, within the timeout; whether nginx counts as alive. It does when it is full, and
        for a while when it is busy."""
        state = self._ask()
        lines = self.episodes.observe(boottime_s(), state)
        for line in lines:
            say(line)
        if lines:
            self._write()
        return state in (ALIVE, FULL, BUSY)

    def _ask(self):
        began_s = time.monotonic()
        asked = self._processes()
        new = self._new_questions()
        questions = self.kept + new
        wait(questions, began_s + self.timeout_s / 2)
        before = last = {}
        answer = _answer(self.kept, new)
        if answer == SILENT:
            before = self._workers()
            wait(questions, began_s + self.timeout_s)
            answer = _answer(self.kept, new)
        if answer == SILENT:
            last = self._workers()
        elif answer == CLOSED:
            time.sleep(_END_IS_SEEN_S)
            last = self._looks(self._processes())
        now_s = time.monotonic()
        since_s = None if self.answered_s is None else now_s - self.answered_s
        state = judge(answer, WatchedWorkers(asked, before, last), since_s)
        if state in (ALIVE, FULL):
            self.answered_s = now_s
        self._keep(questions if state == BUSY else [], questions)
        return state

    def _new_questions(self):
        own = HealthQuestion(self.path)
        if own.answer != REFUSED:
            return [own]
        # An earlier configuration is in service, which has no such listener, or none is.
        ports = [self.port, *other_ports(self.port)]
        return [HealthQuestion(("127.0.0.1", port)) for port in ports]

    def _keep(self, candidates, questions):
        """Keep the oldest that may still be answered, and no other."""
        self.kept = [each for each in candidates if each.is_open][:1]
        for each in questions:
            if each not in self.kept:
                each.close()

    def _processes(self):
        """The pids of all that nginx's masters have started: two during a hot upgrade."""
        masters = [read(path) for path in self.pid_files]
        return [pid for master in masters if master.isdigit() for pid in children(master)]

    def _workers(self):
        """The workers that accept: not those that finish their last connections, or that look after
        the cache."""
        return self._looks(
            pid
            for pid in self._processes()
            if read(f"/proc/{pid}/cmdline").replace("\0", " ").strip() == "nginx: worker process"
        )

    def _looks(self, pids):
        found = {pid: progress(pid) for pid in pids}
        return {pid: Worker(*each) for pid, each in found.items() if each}

    def _write(self):
        # It only tells of what was: no reason not to go on.
        with contextlib.suppress(OSError):
            write(self.overload_file, self.episodes.text().encode())


def _answer(kept, new):
    """A late answer is as good as a new one; else the new questions tell."""
    late = [each.answer for each in kept if each.answer == ANSWERED]
    return min([*late, *(each.answer for each in new)], key=_BEST_FIRST.index)
