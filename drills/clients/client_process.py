"""What every client process shares: its SPEC, how it prints, what a failed connect means."""

from __future__ import annotations

import errno
import json
import os
import socket
import ssl
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Self

from drills.outcomes import RequestOutcome

# linux/in.h: no port is taken by bind, so that connect may take one that another address has.
BIND_ADDRESS_NO_PORT = 24
# Linux repeats a SYN after 1 s: a longer timeout would turn lost requests into slow ones.
CONNECT_TIMEOUT_S = 0.5

CONNECT_ERRORS = {
    errno.ECONNREFUSED: RequestOutcome.REFUSED,
    errno.ETIMEDOUT: RequestOutcome.CONNECT_TIMEOUT,
    errno.EHOSTUNREACH: RequestOutcome.HOST_UNREACH,
    errno.ENETUNREACH: RequestOutcome.HOST_UNREACH,
    errno.ENETDOWN: RequestOutcome.HOST_UNREACH,
    errno.ECONNRESET: RequestOutcome.RESET,
    errno.EPIPE: RequestOutcome.RESET,
}


@dataclass(frozen=True)
class ClientSpec:
    """Where a client connects to. Each client adds what it does there.

    `opening`: what a connection begins with, before TLS and HTTP; "" for nothing. `sources`: the
    addresses that it connects from, in turn; by default this machine's own choice.
    """

    address: str
    port: int
    opening: str = field(default="", kw_only=True)
    sources: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    @property
    def host(self) -> str:
        """The value of the request's Host header."""
        return f"[{self.address}]" if self.family == socket.AF_INET6 else self.address

    def bind(self, connection: socket.socket, number: int) -> None:
        """Have the connection of that number come from its source."""
        if self.sources:
            connection.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
            connection.bind((self.sources[number % len(self.sources)], 0))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


def connect_outcome(code: int) -> RequestOutcome:
    """What an errno of connect means for a request.

    Raises `OSError` for what is wrong on this side, such as no free port.
    """
    if code not in CONNECT_ERRORS:
        raise OSError(code, os.strerror(code))
    return CONNECT_ERRORS[code]


def tls_context() -> ssl.SSLContext:
    """Accepts every certificate: judging it is the verifier's work."""
    # Not the default one, which reads every authority of this machine: 60 ms, and none is asked.
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


class Output:
    """Standard output that never makes its process wait: what the pipe does not take is kept."""

    def __init__(self, number: int):
        self.number = number
        self.kept = b""
        os.set_blocking(number, False)

    def write(self, lines: list[str]) -> None:
        """Print the lines, and empty the list."""
        self.kept += "".join(f"{line}\n" for line in lines).encode()
        lines.clear()
        with suppress(BlockingIOError):
            while self.kept:
                self.kept = self.kept[os.write(self.number, self.kept) :]

    def finish(self) -> None:
        """Wait until everything is printed."""
        os.set_blocking(self.number, True)
        while self.kept:
            self.kept = self.kept[os.write(self.number, self.kept) :]
