"""What the kernel tells of other processes."""

import collections
import os

from common.machine_files import read

Stat = collections.namedtuple("Stat", "name state")


def stat(pid):
    """A process's name and the letter of its state, both "" where there is no such process."""
    head, _, rest = read(f"/proc/{pid}/stat").rpartition(")")
    return Stat(head.partition("(")[2], rest.strip()[:1])


def children(pid):
    """The pids of a process's children."""
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def open_pidfd(pid):
    """A descriptor that becomes readable when the process ends.

    None where it has ended, and where there is no pidfd (before Linux 5.3, Python 3.9).
    """
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
