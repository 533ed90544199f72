"""What a command on a machine gets to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from paramiko import Channel, SSHException

CHUNK_BYTES = 1 << 15


def chunks(data: IO[bytes]) -> Iterator[bytes]:
    """All of `data`, from its beginning."""
    data.seek(0)
    return iter(lambda: data.read(CHUNK_BYTES), b"")


def lines(stdin: Any) -> Iterator[bytes]:
    """As pyinfra has it: lines, each of which ends."""
    given = stdin.readlines() if hasattr(stdin, "readlines") else stdin or ()
    for line in [given] if isinstance(given, str) else given:
        yield f"{line.removesuffix(chr(10))}\n".encode()


def feed(channel: Channel, parts: Iterator[bytes]) -> None:
    """Send everything, then the end of input."""
    try:
        for part in parts:
            channel.sendall(part)
        channel.shutdown_write()
    except (OSError, SSHException):
        return  # it did not want it all; its exit status says why
