"""Find a keepalived that cannot release the address, or take it, and end it: its unit starts it
anew."""

import signal

from common.journal import say
from common.keepalived_state import PID_FILE, running_pid
from common.linux_processes import began_s, children, progress, send_signals, stat

# The process that speaks VRRP runs a check each second at the least. One that has not run for so
# long, and does not wait for a CPU either, hangs: in a call of the kernel's, or behind a log that
# nobody reads (a journal that is stopped, on a full disk).
HUNG_S = 3.0
# Who has not looked for longer stood still itself, as a virtual machine that is moved.
_LOOKS_S = 2.0


def stuck_processes(pid_file=PID_FILE):
    """The pids of our keepalived, if one is stopped or the one that speaks VRRP is missing.

    (The parent starts a new one, but waits longer each time, and does not remove the address.)
    """
    parent = running_pid(pid_file)
    if not parent:
        return []
    pids = [parent, *children(parent)]
    stopped = any(stat(pid).state in ("T", "t") for pid in pids)
    return pids if stopped or len(pids) == 1 else []


def end_stuck(pids, pid_file=PID_FILE):
    """Kill what `stuck_processes` has found, if it finds the same now. Whether it did."""
    return send_signals(pids, signal.SIGKILL, lambda: stuck_processes(pid_file) == pids)


class HungKeepalived:
    """Finds one that has not run for `HUNG_S`, by looks that are not far apart."""

    def __init__(self, pid_file=PID_FILE):
        self.pid_file = pid_file
        self.seen = {}
        self.since_s = self.looked_s = float("-inf")

    def end_if(self, now_s):
        """Kill it if it hangs: its unit cleans up behind it."""
        parent = running_pid(self.pid_file)
        seen = _progress(parent)
        if self.is_hung(now_s, seen):
            pids = [parent, *seen]
            if send_signals(pids, signal.SIGKILL, lambda: _progress(parent) == seen):
                say(f"keepalived has done nothing for {HUNG_S:g} s: killed")

    def is_hung(self, now_s, seen):
        """seen: its children's `progress`, by pid."""
        sleeps = bool(seen) and all(each and each[0] in "SD" for each in seen.values())
        if not sleeps or seen != self.seen or now_s - self.looked_s > _LOOKS_S:
            self.since_s = now_s
        self.seen, self.looked_s = seen, now_s
        return now_s - self.since_s >= HUNG_S


def _progress(parent):
    return {pid: progress(pid) for pid in children(parent)} if parent else {}


class OutlivedKeepalived:
    """A keepalived that is older than what it needs (`PremiseHistory.outlived`)."""

    def __init__(self, pid_file=PID_FILE):
        self.pid_file = pid_file
        self.ended = 0

    def end_if(self, history):
        """Kill it, once, if it has to be started anew.

        It holds nothing to say goodbye for: it has been told to leave the election. One that ends
        in good order counts as stopped where there is no systemd, and nobody would start it.
        """
        pid = running_pid(self.pid_file)
        began = began_s(pid) if pid and pid != self.ended else None
        why = "" if began is None else history.outlived(began)
        pids = [pid, *children(pid)] if why else []
        if pids and send_signals(pids, signal.SIGKILL, lambda: running_pid(self.pid_file) == pid):
            self.ended = pid
            say("keepalived is started anew: " + why)
