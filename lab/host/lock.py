"""One process at a time on a directory; the directory itself is the lock and no file is left."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(directory: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the directory's lock; `waiting` is called once if another process holds it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Unlocked explicitly: beside pyinfra, gevent closes a descriptor at a later time.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
