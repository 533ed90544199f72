"""Work that keeps a processor or a disk busy for long, beside all that a run does meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gevent
from gevent.lock import BoundedSemaphore

P = ParamSpec("P")
T = TypeVar("T")

# What one machine's work has put into a cache, the next one finds there.
_one_at_a_time = BoundedSemaphore(1)


def beside_others(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns or raises, computed in a thread.

    Reading files and computing digests stop all greenlets otherwise, and with them what the
    machines are told every few seconds, so that they know the lock to be held (controller/lock/).
    """
    with _one_at_a_time:
        found: T = gevent.get_hub().threadpool.apply(work, args, kwargs)
        return found
