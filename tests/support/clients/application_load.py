"""A client of an application behind the pair that stays, while the address moves.

    python -m tests.support.clients.application_load KIND ADDRESS SECONDS

KIND: websocket (a message after another on one connection), script (requests on one connection),
upload/… (64 MiB to that path, paced to take so long). It ends once stdin is closed. Says
"running" as soon as it is, and in JSON how much was answered, and what went wrong.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO

from tests.support.clients import told_to_end

HOST = "apps.example.org"
UPLOAD = 64 << 20
PIECE = 1 << 18
PAUSE_S = 0.05


def _answer(file: BinaryIO) -> tuple[bytes, bytes]:
    """Status line and body."""
    status, size = file.readline(), 0
    if not status:
        raise ConnectionResetError("closed")
    chunked = False
    for line in iter(file.readline, b"\r\n"):
        name, _, value = line.lower().partition(b":")
        if name == b"content-length":
            size = int(value)
        chunked = chunked or (name == b"transfer-encoding" and b"chunked" in value)
    if not chunked:
        return status, file.read(size)
    body = b""
    while size := int(file.readline(), 16):
        body += file.read(size)
        file.readline()
    file.readline()
    return status, body


def websocket(connection: socket.socket, seconds: float) -> Iterator[str]:
    """Yields what is wrong with each answer, "" for nothing."""
    connection.sendall(
        f"GET /echo HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    file = connection.makefile("rb")
    status, _ = _answer(file)
    if b" 101 " not in status:
        yield f"{status!r}"
        return
    for count in told_to_end.numbers(seconds, PAUSE_S):
        text = b"%08d" % count
        frame = bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text
        connection.sendall(frame)
        got = file.read(len(frame))
        yield "" if got == frame else f"{got!r} for {frame!r}"


def script(connection: socket.socket, seconds: float) -> Iterator[str]:
    """Likewise."""
    file = connection.makefile("rb")
    for count in told_to_end.numbers(seconds, PAUSE_S):
        connection.sendall(f"GET /script/{count} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        status, body = _answer(file)
        right = b" 200 " in status and json.loads(body)["PATH_INFO"] == f"/{count}"
        yield "" if right else f"{status!r} {body[:80]!r}"


def upload(connection: socket.socket, seconds: float, path: str) -> Iterator[str]:
    """Yields "" for each piece that was taken, and then what is wrong with the answer."""
    connection.sendall(
        f"POST /{path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {UPLOAD}\r\n\r\n".encode()
    )
    piece, digest = os.urandom(PIECE), hashlib.sha256()
    begun = time.monotonic()
    for sent in range(0, UPLOAD, PIECE):
        connection.sendall(piece)
        digest.update(piece)
        told_to_end.pause(begun + seconds * sent / UPLOAD - time.monotonic())
        yield ""
    status, body = _answer(connection.makefile("rb"))
    right = b" 200 " in status and body.decode() == digest.hexdigest()
    yield "" if right else f"{status!r} {body[:80]!r}"


def main(kind: str, address: str, seconds: str) -> None:
    count, problem = 0, ""
    told_to_end.listen()
    try:
        with socket.create_connection((address, 80), 10) as connection:
            if kind.startswith("upload/"):
                found = upload(connection, float(seconds), kind)
            else:
                found = {"websocket": websocket, "script": script}[kind](connection, float(seconds))
            for problem in found:
                if problem:
                    break
                count += 1
                if count == 1:
                    print("running", flush=True)
    except OSError as error:
        problem = repr(error)
    print(json.dumps({"answered": count, "problem": problem}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
