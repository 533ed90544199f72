"""Find a keepalived that cannot release the address, or take it, and end it: its unit starts it
anew."""

import signal

from common.journal import say
from common.keepalived_state import PID_FILE, running_pid
from common.linux_processes import began_s, children, send_signals, stat


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
