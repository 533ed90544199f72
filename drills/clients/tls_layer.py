"""TLS for the drills' clients. They accept every certificate: judging it is the verifier's work."""

from __future__ import annotations

import asyncio
import socket
import ssl

PIECE = 65536


def context() -> ssl.SSLContext:
    # Not the default one, which reads every authority of this machine: 60 ms, and none is asked.
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


class TlsLayer:
    """TLS over a socket of asyncio's, as `sock_sendall` and `sock_recv` have it without.

    Errors of TLS are `OSError`s (ssl.SSLError), as those of the connection are.
    """

    def __init__(self, made: ssl.SSLContext, connection: socket.socket):
        self._socket = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = made.wrap_bio(self._incoming, self._outgoing)

    async def handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._fill():
                    raise ConnectionResetError("closed in its handshake") from None
            else:
                await self._flush()
                return

    async def send(self, data: bytes) -> None:
        self._tls.write(data)
        await self._flush()

    async def receive(self, size: int) -> bytes:
        """What has come, `size` at the most; nothing where the server has closed it."""
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                if not await self._fill():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    def closed(self) -> bool:
        """Whether the server has ended it. Raises `OSError` if it was reset."""
        try:
            data = self._socket.recv(PIECE)
        except BlockingIOError:
            return False
        if not data:
            return True
        # Nothing was requested: it can only be the close notification.
        self._incoming.write(data)
        try:
            return not self._tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLZeroReturnError:
            return True

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await asyncio.get_running_loop().sock_sendall(self._socket, self._outgoing.read())

    async def _fill(self) -> bool:
        """Wait for more; whether there will be any."""
        data = await asyncio.get_running_loop().sock_recv(self._socket, PIECE)
        self._incoming.write(data)
        return bool(data)
