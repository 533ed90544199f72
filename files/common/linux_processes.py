"""What the kernel tells of other processes."""

import collections
import os

from common.machine_files import read

Stat = collections.namedtuple("Stat", "name state")


def ours(pid):
    """Whether there is such a process, and it is this machine's own and no container's, which a pid
    that is used again may be. (A process has a number in each PID namespace that it is in. Linux
    tells since 4.1; before, it counts as ours.)"""
    lines = read(f"/proc/{pid}/status").splitlines()
    numbers = [line.split()[1:] for line in lines if line.startswith("NSpid:")]
    return bool(lines) and all(len(each) == 1 for each in numbers)


def stat(pid):
    """A process's name and the letter of its state, both "" where there is no such process of
    ours."""
    head, _, rest = read(f"/proc/{pid}/stat").rpartition(")")
    return Stat(head.partition("(")[2], rest.strip()[:1]) if ours(pid) else Stat("", "")


def children(pid):
    """The pids of a process's children."""
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def open_pidfd(pid):
    """A descriptor that becomes readable when the process ends.

    None where it has ended or is a container's, and where there is no pidfd (before Linux 5.3,
    Python 3.9).
    """
    if not hasattr(os, "pidfd_open") or not ours(pid):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
