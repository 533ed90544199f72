"""Tests that measure have the machine to themselves.

One that is marked `alone` waits until those that run beside it have ended, and none begins before
it has.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

# Everybody comes in through the door, one after the other, so that who waits for an empty room is
# not passed by.
DOOR, ROOM = "/run/lock/tandem-tests.door", "/run/lock/tandem-tests.room"


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Let other tests run beside this one, or (`alone`) none."""
    with open(DOOR, "w") as door, open(ROOM, "w") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
