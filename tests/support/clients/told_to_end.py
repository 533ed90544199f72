"""The end of a client that stays: when its stdin is closed, and not after so many seconds, which a
busy machine may need for what is tried meanwhile."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

# So many times it still asks when it is told to end.
LAST = 20
_TOLD = threading.Event()


def listen() -> None:
    """Be told from now on."""

    def read() -> None:
        sys.stdin.read()
        _TOLD.set()

    threading.Thread(target=read, daemon=True).start()


def pause(seconds: float) -> None:
    """Wait, and no longer than until it is told."""
    _TOLD.wait(max(0.0, seconds))


def numbers(seconds: float, pause_s: float) -> Iterator[int]:
    """0, 1, 2 … with a pause after each: until `seconds` are over, or it is told and has asked
    `LAST` times more."""
    end, count, left = time.monotonic() + seconds, 0, LAST
    while time.monotonic() < end and left:
        left -= _TOLD.is_set()
        yield count
        count += 1
        time.sleep(pause_s)
