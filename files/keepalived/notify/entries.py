"""Queues of state changes: a directory each, in which a file's name says all and its text nothing.

An empty file finds room where a full disk has none for a line. One that was killed leaves its
entries to whoever works next, and no lock.
"""

import collections
import contextlib
import fcntl
import os
import time

from common.machine_files import read

# Longer than whoever has the lock needs.
STUCK_S = 20.0
LOOKS_S = 0.005
PID_MAX = "/proc/sys/kernel/pid_max"


class Entry(collections.namedtuple("Entry", "start pid state vip old")):
    """A state change.

    start: when the call's process was started, in ticks since boot; pid: its number; vip: "" where
    keepalived has but one; old: the state before, "" while that is not known.
    """

    @property
    def name(self):
        """The name of its file."""
        return ",".join(map(str, self))

    @property
    def age_s(self):
        """For how many seconds it is known."""
        up = read("/proc/uptime").split() or ["0"]
        return float(up[0]) - self.start / os.sysconf("SC_CLK_TCK")

    @property
    def call(self):
        """What tells its call from all others."""
        return self.start, self.pid


def parse(name):
    """The entry with this name. Raises ValueError."""
    start, pid, state, vip, old = name.split(",")
    return Entry(int(start), int(pid), state, vip, old)


def in_order(calls, pid_max=None):
    """Calls, or tuples that begin with a call's start and pid, in the order in which they were
    made.

    Of those in one tick (a hundredth of a second) the lower pid was first, unless the numbers began
    anew meanwhile.
    """
    limit = pid_max or int(read(PID_MAX) or 32768)
    highest = {}
    for start, pid, *_ in calls:
        highest[start] = max(pid, highest.get(start, 0))

    def place(each):
        start, pid = each[:2]
        began_anew = highest[start] - pid > limit // 2
        return start, pid + limit if began_anew else pid

    return sorted(calls, key=place)


class Queue:
    """Entries in a directory, which one process at a time works off. Raises OSError."""

    def __init__(self, home, name):
        self.directory = os.path.join(home, name)
        self.lock = os.path.join(home, "." + name)

    def enter(self, entry):
        """Add one; it may be there."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        os.close(os.open(self.path(entry), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def path(self, entry):
        """Its file."""
        return os.path.join(self.directory, entry.name)

    def since(self, entry):
        """When it was entered, in seconds since 1970: for a person to read."""
        return os.stat(self.path(entry)).st_mtime

    def remove(self, entry):
        """Take it out; it may be gone."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(entry))

    def waiting(self):
        """What is there, in order. Files of others are left alone."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.directory):
                with contextlib.suppress(ValueError):
                    found.append(parse(name))
        return in_order(found)

    @contextlib.contextmanager
    def alone(self):
        """One at a time; the kernel ends it with the process. Raises BlockingIOError where another
        does not come to its end."""
        deadline_s = time.monotonic() + STUCK_S
        lock = open_lock(self.lock)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline_s:
                        raise
                    time.sleep(LOOKS_S)
            yield
        finally:
            os.close(lock)

    @contextlib.contextmanager
    def alone_or_not_needed(self):
        """The same; yields False where another waits already, who will find the same."""
        following, lock = open_lock(self.lock + ".next"), open_lock(self.lock)
        try:
            fcntl.flock(following, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(lock, fcntl.LOCK_EX)
            fcntl.flock(following, fcntl.LOCK_UN)
            mine = True
        except BlockingIOError:
            mine = False
        try:
            yield mine
        finally:
            os.close(following)
            os.close(lock)


def open_lock(path):
    """A descriptor of the file, which is made where it is missing. (No command inherits it.)"""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
