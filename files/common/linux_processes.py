"""What the kernel tells of other processes."""

import collections
import contextlib
import os
import signal

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


def began_s(pid):
    """When a process was started, by `timing.boottime_s`; None where there is none."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK") if len(fields) > 19 else None


def progress(pid):
    """A process's state, its CPU time in clock ticks, and how often it went to sleep; None where it
    has ended."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    sleeps = [
        int(line.split()[1])
        for line in read(f"/proc/{pid}/status").splitlines()
        if line.startswith("voluntary_ctxt_switches:")
    ]
    return (fields[0], int(fields[11]) + int(fields[12]), sleeps[0]) if fields and sleeps else None


def runs(pid, name):
    """Whether it is a process of ours that lives and runs a program with this name."""
    found = stat(pid)
    if found.name != name[:15] or found.state in ("", "Z", "X"):
        return False
    try:
        program = os.readlink(f"/proc/{pid}/exe")
    except PermissionError:
        return True  # the kernel tells only those who have the rights of that process
    except OSError:
        return False
    suffix = " (deleted)"  # an upgrade has replaced it
    program = program[: -len(suffix)] if program.endswith(suffix) else program
    return os.path.basename(program) == name


def send_signal(pid, number, name):
    """Send a signal, if the process runs the program `name`. False where it does not."""
    return send_signals([pid], number, lambda: runs(pid, name))


def send_signals(pids, number, is_still_so):
    """Send a signal to processes, if `is_still_so()` when no number can become another process's
    any more before the signal is there (without pidfd: can hardly). False where it is not so."""
    descriptors = [open_pidfd(pid) for pid in pids]
    try:
        if not is_still_so():
            return False
        for pid, descriptor in zip(pids, descriptors):
            with contextlib.suppress(ProcessLookupError):
                if descriptor is None:
                    os.kill(int(pid), number)
                else:
                    signal.pidfd_send_signal(descriptor, number)
        return True
    finally:
        for descriptor in filter(None, descriptors):
            os.close(descriptor)


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
        return os.pidfd_open(int(pid))
    except OSError:
        return None
