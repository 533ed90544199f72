"""Ctrl-C and kill -TERM end a run in order: what is broken is put back first.

pyinfra answers Ctrl-C by leaving at once, with exit 0; and a signal reaches whatever greenlet
happens to run, not the one that has something to undo.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TypeVar

import gevent

from drills.conduct.progress import say
from drills.mishaps import MISHAPS

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


Done = TypeVar("Done")


class Interrupted(BaseException):
    """A signal asks this run to end. Not an `Exception`: nothing may mistake it for a failure."""


@contextlib.contextmanager
def delivered() -> Iterator[None]:
    """Within this, the first signal raises `Interrupted` in the current greenlet."""
    current: Any = gevent.getcurrent()
    announced = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal announced
        if announced:
            say("Putting back what is broken; please wait.")
            return
        announced = True
        current.kill(Interrupted(signal.Signals(number).name), block=False)
        say("\nInterrupted: putting back what is broken.")

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def untold() -> Iterator[None]:
    """Within this, gevent prints no traceback of a greenlet that fails: whoever waits for it is
    told, and tells it in words."""
    hub: Any = gevent.get_hub()
    before = hub.NOT_ERROR
    hub.NOT_ERROR = (*before, *MISHAPS)
    try:
        yield
    finally:
        hub.NOT_ERROR = before


def shielded(work: Callable[[], Done]) -> Done:
    """Do `work` to its end, whatever signal arrives; then raise `Interrupted` for the signal.

    What `work` finds is lost then: what must be known has to be kept by itself. It must not raise.
    """
    job = gevent.spawn(work)
    pending: Interrupted | None = None
    while not job.ready():
        try:
            job.join()
        except Interrupted as error:
            pending = error
    found: Done = job.get()
    if pending:
        raise pending
    return found
