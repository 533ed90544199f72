"""Calls of notify.sh that were made and are not entered yet."""

import os

from common.machine_files import content, read

SCRIPT = "notify.sh"
DRAIN = "drain"
# It is master, and hears adverts of another that is master as well and is to give way.
CONTESTED = "contested"
STATES = ("master", "backup", "fault", DRAIN, CONTESTED)


def on_their_way():
    """(start, pid) of each process that runs notify.sh and has not become this program."""
    pids = (name for name in os.listdir("/proc") if name.isdigit())
    return [(start(pid), int(pid)) for pid in pids if is_call(content(f"/proc/{pid}/cmdline"))]


def is_call(cmdline):
    """Whether a process was started as "SHELL …/notify.sh STATE"; its /proc/PID/cmdline."""
    words = (cmdline or b"").decode(errors="replace").split("\0")
    return os.path.basename("".join(words[1:2])) == SCRIPT and "".join(words[2:3]) in STATES


def start(pid):
    """When a process was started, in ticks since boot; 0 for none."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0
