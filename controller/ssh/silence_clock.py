"""How long a command says nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import gevent
from paramiko import Channel


class SilenceClock:
    """Ends a command that has printed nothing for `limit_s`."""

    def __init__(self, limit_s: float):
        self.late = False
        self._limit_s = limit_s
        self._last = time.monotonic()

    def heard(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Pass `lines` on; each is a sign of life."""
        for line in lines:
            self._last = time.monotonic()
            yield line

    def close_late(self, channel: Channel) -> None:
        """Close `channel` once nothing was heard for so long; it runs beside the command."""
        while (left := self._last + self._limit_s - time.monotonic()) > 0:
            gevent.sleep(left)
        self.late = True
        channel.close()
