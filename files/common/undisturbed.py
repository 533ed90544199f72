"""For programs that change something: one at a time, and not to be ended half way."""

import contextlib
import fcntl
import os
import signal
import time

from common.journal import say
from common.linux_processes import send_signals, stat
from common.machine_files import read

# For whatever another run has begun, old connections that it waits for among it.
WAIT_S = 600.0
SAYS_EVERY_S = 5.0
PAUSE_S = 0.05

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


class Busy(OSError):
    """Another program of its kind does not come to its end; who, and what to do."""


@contextlib.contextmanager
def exclusively(path, wait=True):
    """One change at a time: wait for one whose deploy has been cut off; or raise BlockingIOError.

    Raises `Busy` when that one does not end. path: the lock's.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if wait:
            _wait_for(lock)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # For whoever waits; a full disk stops nothing here.
        with contextlib.suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(lock)


def _wait_for(lock):
    """Wait for whoever has the lock, aloud; wake it where it was stopped."""
    began = said = time.monotonic()
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        now = time.monotonic()
        pid = os.pread(lock, 20, 0).decode(errors="replace").strip()
        if now - began > WAIT_S:
            raise Busy(
                f"the change of a run that was cut off (process {pid}) is still at work after "
                f"{WAIT_S:g} s. See what it waits for, end it (kill -9 {pid}), and deploy again"
            )
        if now - said > SAYS_EVERY_S:
            said = now
            woken = [each for each in _family(pid) if _wake(each)]
            how = ", stopped: it is told to go on" if woken else ""
            # The controller shows such a line at once (controller/ssh/machine_connector.py).
            say(
                f"waiting: for the change of a run that was cut off (process {pid}{how}), "
                f"at most {began + WAIT_S - now:.0f} s more"
            )
        time.sleep(PAUSE_S)


def _family(pid):
    """A process and all that it has started, by its number in text; of other text, nobody."""
    if not pid.isdigit():
        return []
    children = read(f"/proc/{pid}/task/{pid}/children").split()
    return [pid, *(each for child in children for each in _family(child))]


def _wake(pid):
    """Have a process that was stopped go on. False where it was not."""
    return send_signals([pid], signal.SIGCONT, lambda: stat(pid).state == "T")
