"""Sessions through streams: TCP connections that stay, whatever is spoken in them.

Nothing is sent: a protocol's server may not know what to do with it. The kernel asks for them
instead (TCP keep-alive, tcp(7)): who does not know the connection resets it, and nobody answers for
one that is lost on its way. A server that closes in order has done so by its own rules: no failure,
and a new session takes the place.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from drills.clients.client_connection import Connection, ConnectionBroken
from drills.clients.client_process import ClientSpec
from drills.outcomes import Kind, RequestOutcome

# A session that is lost on its way counts as cut after IDLE + PROBES * INTERVAL: three seconds.
IDLE_S, INTERVAL_S, PROBES = 1, 1, 2
TURN_S = 0.1
# Before another is begun: a stream whose servers are away closes each as soon as it has begun.
AGAIN_S = 1.0
PIECE = 64 << 10


class Work(Protocol):
    """What the long-lived load does for each of its connections (long_lived.py)."""

    stopping: bool

    def connection(self, kind: Kind) -> Connection: ...

    def drop(self, connection: Connection) -> None: ...

    def end(self, connection: Connection, *, cut: str = "", reconnected: bool = False) -> None: ...


async def keep_one(work: Work, spec: ClientSpec, timeout_s: float) -> None:
    """One session after the other, to the port of `spec`, until the work stops.

    A stream that was never there is the verifier's to tell: only what has begun can be broken.
    """
    spec = replace(spec, opening="")
    began = False
    while not work.stopping:
        connection = work.connection(Kind.SESSION)
        try:
            await connection.connect(spec, timeout_s, None)
            began = True
            _ask_for_it(connection.socket)
            closed = await _stays(connection, lambda: work.stopping)
        except ConnectionBroken as error:
            if began:
                work.end(connection, cut=error.outcome)
            else:
                work.drop(connection)
        else:
            work.end(connection, reconnected=closed)
        if not work.stopping:
            await asyncio.sleep(AGAIN_S)


def _ask_for_it(way: socket.socket) -> None:
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_S)
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    way.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _stays(connection: Connection, is_over: Callable[[], bool]) -> bool:
    """Wait until it is over; True if the server has closed it before, in order. Raises
    `ConnectionBroken`."""
    while not is_over():
        try:
            async with asyncio.timeout(TURN_S) as turn:
                data = await connection.reader.read(PIECE)
        except TimeoutError:  # also the kernel's, where nobody has answered for it
            if not turn.expired():
                raise ConnectionBroken(RequestOutcome.READ_TIMEOUT) from None
        except OSError as error:
            raise ConnectionBroken(RequestOutcome.RESET) from error
        else:
            if not data:
                return True
            connection.received += len(data)
    return False
