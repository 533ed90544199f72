"""Find a keepalived that cannot release the address, and end it."""

import signal

from common.keepalived_state import PID_FILE, running_pid
from common.linux_processes import children, send_signals, stat


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
