"""The running nginx: its master process, or two of them during a hot upgrade, and the workers."""

import os

from apply_nginx import layout
from apply_nginx.generations import build_of
from common.linux_processes import children, ours, send_signal, send_signals
from common.machine_files import read


def title(pid):
    """A process's command line, "" once it has ended."""
    return read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()


def running_build(pid):
    """The build whose binary a process runs, "" for none."""
    return build_of(executable(pid))


def executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def new():
    """The pid of the master that serves, the newer one during an upgrade; 0 for none."""
    return _master(layout.PID_FILE)


def old():
    """The pid of the master that an upgrade replaces, until it has ended; 0 for none."""
    return _master(layout.OLD_PID_FILE)


def _master(pid_file):
    text = read(pid_file)
    found = text.isdigit() and title(text).startswith("nginx: master process") and ours(text)
    return int(text) if found else 0


def send(pid, number):
    """Send a signal to one of nginx's processes; one that has ended gets none."""
    send_signal(pid, number, "nginx")


def send_to_started(master, number):
    """Send a signal to what `master` has started beside its workers, whatever program that runs: a
    binary that does not serve may be anything."""
    pids = started_by_upgrade(master)
    send_signals(pids, number, lambda: set(pids) <= set(started_by_upgrade(master)))


def accepting(master):
    """The workers that take new connections, not those that finish their last ones."""
    return [child for child in children(master) if title(child) == "nginx: worker process"]


def started_by_upgrade(master):
    """What `master` has started beside workers of its own: a new binary and all its children."""
    found = [
        child
        for child in children(master)
        if title(child) and not title(child).startswith(("nginx: worker", "nginx: cache"))
    ]
    for pid in found:
        found += children(pid)
    return found
