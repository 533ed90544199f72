"""One connection of the long-lived clients (long_lived.py), and every way in which it may break.

Each of those raises `ConnectionBroken` with the outcome that the prober has for it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from drills.clients.client_process import connect_outcome
from drills.clients.tls_layer import TlsLayer
from drills.outcomes import Kind, RequestOutcome


class ConnectionBroken(Exception):
    """A request or a download did not come to its regular end."""

    def __init__(self, outcome: RequestOutcome):
        super().__init__(outcome)
        self.outcome = outcome


class Unanswered(ConnectionBroken):
    """The server has closed the connection in order, without a byte of an answer."""

    def __init__(self) -> None:
        super().__init__(RequestOutcome.EMPTY)


@dataclass
class Connection:
    """One connection, from the attempt to its end. `began`: CLOCK_MONOTONIC."""

    kind: Kind
    socket: socket.socket
    began: float = field(default_factory=time.monotonic)
    client_port: int = 0
    requests: int = 0
    received: int = 0
    slowest_s: float = 0.0
    node: str = ""
    tls: TlsLayer | None = None

    def closed_by_server(self) -> bool:
        """Whether the server has closed it while it was idle.

        Raises `ConnectionBroken` if it was reset.
        """
        try:
            if self.tls is not None:
                return self.tls.closed()
            return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError as error:
            raise ConnectionBroken(RequestOutcome.RESET) from error

    async def connect(
        self, where: tuple[str, int], timeout_s: float, context: ssl.SSLContext | None = None
    ) -> None:
        """Connect, with TLS where there is a `context`. Raises `ConnectionBroken`."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(self.socket, where)
        except TimeoutError:
            raise ConnectionBroken(RequestOutcome.CONNECT_TIMEOUT) from None
        except OSError as error:
            raise ConnectionBroken(connect_outcome(error.errno or 0)) from error
        self.client_port = self.socket.getsockname()[1]
        if context is not None:
            self.tls = TlsLayer(context, self.socket)
            try:
                async with limit(timeout_s):
                    await self.tls.handshake()
            except OSError as error:
                raise ConnectionBroken(RequestOutcome.RESET) from error

    async def send(self, request: bytes) -> None:
        """Raises `Unanswered` where the server has closed it in order, else `ConnectionBroken`."""
        self.requests += 1
        try:
            if self.tls is not None:
                await self.tls.send(request)
            else:
                await asyncio.get_running_loop().sock_sendall(self.socket, request)
        except OSError as error:
            # Linux says EPIPE where the server had closed in order before.
            if error.errno == errno.EPIPE:
                raise Unanswered from error
            raise ConnectionBroken(RequestOutcome.RESET) from error

    async def receive(self, size: int, silence_s: float) -> bytes:
        """What has arrived, `size` bytes at the most; b"" where the server has closed it."""
        began = time.monotonic()
        try:
            async with limit(silence_s):
                if self.tls is not None:
                    data = await self.tls.receive(size)
                else:
                    data = await asyncio.get_running_loop().sock_recv(self.socket, size)
        except OSError as error:
            raise ConnectionBroken(RequestOutcome.RESET) from error
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.received += len(data)
        return data


@asynccontextmanager
async def limit(seconds: float) -> AsyncIterator[None]:
    """Whatever takes longer than `seconds` within this is a read timeout."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ConnectionBroken(RequestOutcome.READ_TIMEOUT) from None
