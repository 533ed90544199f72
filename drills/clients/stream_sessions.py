"""Sessions through streams: TCP connections that stay, whatever is spoken in them.

Nothing is sent: a protocol's server may not know what to do with it. The kernel asks for them
instead (TCP keep-alive, tcp(7)): who does not know the connection resets it, and nobody answers for
one that is lost on its way. A server that closes in order has done so by its own rules: no failure,
and no other is begun, or a server that counts who does not log in might shut nginx out.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, Self

from drills.clients.client_connection import Connection, ConnectionBroken
from drills.clients.client_process import ClientSpec, tls_context
from drills.outcomes import Kind, RequestOutcome

# A session that is lost on its way counts as cut after IDLE + PROBES * INTERVAL: three seconds.
IDLE_S, INTERVAL_S, PROBES = 1, 1, 2
TURN_S = 0.1
# Before another is begun in the place of one that was cut, or where there is none yet.
AGAIN_S = 1.0
PIECE = 64 << 10


@dataclass(frozen=True)
class StreamSpec(ClientSpec):
    """A stream: its name, whether it ends TLS, and how many sessions are kept through it."""

    name: str
    tls: bool = False
    sessions: int = 3


@dataclass(frozen=True)
class WithStreams(ClientSpec):
    """A client that has sessions through `streams`, too."""

    streams: tuple[StreamSpec, ...] = field(default=(), kw_only=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        given = json.loads(text)
        streams = (StreamSpec(**each) for each in given.pop("streams"))
        return cls(**given, streams=tuple(streams))


class Work(Protocol):
    """What the long-lived load does for each of its connections (long_lived.py)."""

    stopping: bool

    def connection(self, kind: Kind) -> Connection: ...

    def drop(self, connection: Connection) -> None: ...

    def end(self, connection: Connection, *, cut: str = "", reconnected: bool = False) -> None: ...


def begin(
    work: Work, streams: tuple[StreamSpec, ...], timeout_s: float
) -> list[asyncio.Task[None]]:
    """The sessions through these streams, each a task."""
    return [
        asyncio.create_task(keep_one(work, stream, timeout_s))
        for stream in streams
        for _ in range(stream.sessions)
    ]


async def keep_one(work: Work, stream: StreamSpec, timeout_s: float) -> None:
    """One session, until the work stops or its server closes it; another for one that is cut.

    A stream that was never there is the verifier's to tell: only what has begun can be broken.
    """
    began = False
    while not work.stopping:
        connection = work.connection(Kind.SESSION)
        connection.node = stream.name
        try:
            await connection.connect(stream, timeout_s, tls_context() if stream.tls else None)
            began = True
            _ask_for_it(connection.socket)
            closed = await _stays(connection, lambda: work.stopping)
        except ConnectionBroken as error:
            if began:
                work.end(connection, cut=error.outcome)
            else:
                work.drop(connection)
            await asyncio.sleep(0 if work.stopping else AGAIN_S)
        else:
            work.end(connection, reconnected=closed)
            while not work.stopping:  # the load ends when the first of its tasks does
                await asyncio.sleep(TURN_S)


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
