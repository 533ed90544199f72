"""One connection of the long-lived clients (long_lived.py), and every way in which it may break.

Each of those raises `ConnectionBroken` with the outcome that the prober has for it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from drills.clients.client_process import ClientSpec, connect_outcome
from drills.outcomes import Kind, RequestOutcome

# Small, so that what a slow client has not read yet waits in the server and not in the network.
RECEIVE_BUFFER = 128 << 10
# The loop reads what has arrived in its next turn; TLS takes another one.
UNREAD_TURNS = 10


class ConnectionBroken(Exception):
    """A request or a download did not come to its regular end."""

    def __init__(self, outcome: RequestOutcome):
        super().__init__(outcome)
        self.outcome = outcome


class Unanswered(ConnectionBroken):
    """The connection has ended without a byte of an answer: in order, or by a reset."""

    def __init__(self, outcome: RequestOutcome = RequestOutcome.EMPTY):
        super().__init__(outcome)


@dataclass
class Connection:
    """One connection, from the attempt to its end. `began`: CLOCK_MONOTONIC.

    A server that sends nothing for `silence_s` hangs.
    """

    kind: Kind
    socket: socket.socket
    silence_s: float
    began: float = field(default_factory=time.monotonic)
    client_port: int = 0
    requests: int = 0
    received: int = 0
    slowest_s: float = 0.0
    node: str = ""
    # Both from when it is connected.
    reader: asyncio.StreamReader = field(init=False)
    writer: asyncio.StreamWriter | None = None

    async def connect(
        self, spec: ClientSpec, timeout_s: float, context: ssl.SSLContext | None
    ) -> None:
        """Connect, with TLS where there is a `context`. Raises `ConnectionBroken`."""
        where = (spec.address, spec.port)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(self.socket, where)
                if spec.opening:
                    opening = spec.opening.encode()
                    await asyncio.get_running_loop().sock_sendall(self.socket, opening)
        except TimeoutError:
            raise ConnectionBroken(RequestOutcome.CONNECT_TIMEOUT) from None
        except OSError as error:
            raise ConnectionBroken(connect_outcome(error.errno or 0)) from error
        self.client_port = self.socket.getsockname()[1]
        name = None if context is None else ""
        async with limit(timeout_s):
            self.reader, self.writer = await asyncio.open_connection(
                sock=self.socket, ssl=context, server_hostname=name, limit=RECEIVE_BUFFER
            )

    async def closed_by_server(self) -> bool:
        """Whether the server has closed it while it was idle.

        What has arrived counts, also where a busy loop has not read it yet: a request into a
        connection that is closed is answered with a reset. Raises `ConnectionBroken` if it was
        reset.
        """
        for _ in range(UNREAD_TURNS):
            if self.reader.exception():
                raise ConnectionBroken(RequestOutcome.RESET)
            if self.reader.at_eof() or not self._has_unread():
                break
            await asyncio.sleep(0)
        return self.reader.at_eof()

    def _has_unread(self) -> bool:
        """Whether the socket has data, or its end, that the loop has not read."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError as error:
            raise ConnectionBroken(RequestOutcome.RESET) from error
        return True

    def send(self, request: bytes) -> None:
        """What became of it shows when the answer is read."""
        assert self.writer is not None
        self.requests += 1
        self.writer.write(request)

    async def receive(self, size: int) -> bytes:
        """What has arrived, `size` bytes at the most; b"" where the server has closed it."""
        began = time.monotonic()
        async with limit(self.silence_s):
            try:
                data = await self.reader.read(size)
            except BrokenPipeError:
                data = b""  # what Linux says where the server had closed in order before
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.received += len(data)
        return data

    async def begin_answer(self, size: int) -> bytes:
        """The first bytes of an answer. Raises `Unanswered` where it ends without any."""
        try:
            data = await self.receive(size)
        except ConnectionBroken as error:
            if error.outcome is RequestOutcome.RESET:
                raise Unanswered(error.outcome) from error
            raise
        if not data:
            raise Unanswered
        return data

    def close(self) -> None:
        """At once; nothing that arrives later is waited for."""
        if self.writer is None:
            self.socket.close()
        else:
            self.writer.transport.abort()


@asynccontextmanager
async def limit(seconds: float) -> AsyncIterator[None]:
    """Whatever takes longer than `seconds` within this is a read timeout, what breaks a reset."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ConnectionBroken(RequestOutcome.READ_TIMEOUT) from None
    except OSError as error:
        raise ConnectionBroken(RequestOutcome.RESET) from error
