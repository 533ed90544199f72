"""For programs that change something: one at a time, and not to be ended half way."""

import contextlib
import fcntl
import os
import signal

# What ends a program that has said nothing about it, but for those that tell of a fault of its own.
_ENDING = ("SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM")


def go_on_whatever_happens():
    """Neither a caller that disconnects nor a signal interrupts what this program does; only
    SIGKILL and a power cut do, after which its next run finishes."""
    # The caller's end may reach all processes that it has started: the commands, too, go on.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for name in _ENDING:
        # Not ignored: then a service that is started from here would ignore it as well.
        signal.signal(getattr(signal, name), lambda *_: None)
    os.umask(0o022)
    # A file that is opened must not become what this program prints to.
    descriptor = 0
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


@contextlib.contextmanager
def exclusively(path, wait=True):
    """One change at a time: wait for one whose deploy has been cut off; or raise BlockingIOError.

    path: the lock's.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
