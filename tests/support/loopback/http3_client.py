"""A client that speaks HTTP/3, one connection at a time.

    python -m tests.support.loopback.http3_client ADDRESS PORT NAME

prints the status and the body of / there.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent

from tests.support.loopback.real_nginx import Answer

TIMEOUT_S = 10


class Http3Connection(QuicConnectionProtocol):  # type: ignore[misc]
    """Asks one thing after the other."""

    _http: H3Connection | None = None
    _is_over = False
    _events: list[H3Event]
    _ended: asyncio.Future[None] | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self._is_over = True
            self._fail()
        if not self._http:
            self._http = H3Connection(self._quic)
        for each in self._http.handle_event(event):
            if isinstance(each, HeadersReceived | DataReceived):
                self._events.append(each)
                if each.stream_ended and self._ended and not self._ended.done():
                    self._ended.set_result(None)

    def _fail(self) -> None:
        if self._ended and not self._ended.done():
            self._ended.set_exception(ConnectionError("the connection has ended"))

    async def ask(self, host: str, path: str) -> Answer:
        """A GET. Raises `ConnectionError` where the connection ends first, and `TimeoutError`."""
        if self._is_over or not self._http:
            raise ConnectionError("the connection has ended")
        self._events = []
        self._ended = self._loop.create_future()
        asked = {":method": "GET", ":scheme": "https", ":authority": host, ":path": path}
        stream = self._quic.get_next_available_stream_id()
        headers = [(name.encode(), value.encode()) for name, value in asked.items()]
        self._http.send_headers(stream, headers, end_stream=True)
        self.transmit()
        await asyncio.wait_for(self._ended, TIMEOUT_S)
        names: dict[str, str] = {}
        body = b""
        for event in self._events:
            if isinstance(event, HeadersReceived):
                names |= {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, DataReceived):
                body += event.data
        return Answer(int(names.pop(":status")), names, body.decode())


@asynccontextmanager
async def connected(
    port: int, name: str, address: str = "127.0.0.1"
) -> AsyncIterator[Http3Connection]:
    """A connection to `address`, `name` in its handshake. It is not asked whose certificate it
    is. Raises `ConnectionError` where the handshake fails."""
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name=name, verify_mode=ssl.CERT_NONE
    )
    async with connect(
        address, port, configuration=configuration, create_protocol=Http3Connection
    ) as protocol:
        assert isinstance(protocol, Http3Connection)
        yield protocol


def asked(port: int, name: str, path: str = "/", address: str = "127.0.0.1") -> Answer:
    """One question over a connection of its own. Raises `ConnectionError`."""

    async def once() -> Answer:
        async with connected(port, name, address) as connection:
            return await connection.ask(name, path)

    return asyncio.run(once())


if __name__ == "__main__":
    answer = asked(int(sys.argv[2]), sys.argv[3], address=sys.argv[1])
    print(answer.status, answer.body)
