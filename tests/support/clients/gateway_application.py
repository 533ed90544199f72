"""A small application that speaks FastCGI or uwsgi, and says in JSON what it was told.

    python -m tests.support.clients.gateway_application fastcgi|uwsgi ADDRESS PORT
    … fastcgi|uwsgi unix:PATH

The answer: the parameters of the request, with "body", the number of its bytes.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import struct
import sys
from io import BufferedIOBase
from typing import ClassVar

# FastCGI 1.0, 8.
_HEADER = struct.Struct(">BBHHBx")
_BEGIN, _END, _PARAMS, _STDIN, _STDOUT, _KEEP = 1, 3, 4, 5, 6, 1


def _exactly(file: BufferedIOBase, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ConnectionResetError("closed in between")
    return data


def _pairs(data: bytes) -> dict[str, str]:
    """Name-value pairs: each length in one byte, or in four of which the first has its top bit."""
    found, at = {}, 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            if data[at] < 128:
                sizes.append(data[at])
                at += 1
            else:
                sizes.append(struct.unpack_from(">I", data, at)[0] & 0x7FFFFFFF)
                at += 4
        name = data[at : at + sizes[0]]
        value = data[at + sizes[0] : at + sum(sizes)]
        found[name.decode()] = value.decode()
        at += sum(sizes)
    return found


def answer(told: dict[str, str], body: int) -> bytes:
    """The whole of it, headers first."""
    text = json.dumps({**told, "body": body})
    return f"Content-Type: application/json\r\nX-Powered-By: test\r\n\r\n{text}".encode()


class FastCgi(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self._one_request():
            pass

    def _one_request(self) -> bool:
        params, body, keep = b"", 0, False
        while True:
            head = self.rfile.read(_HEADER.size)
            if len(head) < _HEADER.size:
                return False
            _, kind, number, size, padding = _HEADER.unpack(head)
            content = _exactly(self.rfile, size)
            _exactly(self.rfile, padding)
            if kind == _BEGIN:
                keep = bool(content[2] & _KEEP)
            elif kind == _PARAMS:
                params += content
            elif kind == _STDIN and content:
                body += len(content)
            elif kind == _STDIN:
                break
        said = answer(_pairs(params), body)
        for at in range(0, len(said), 65535):
            self._say(_STDOUT, number, said[at : at + 65535])
        self._say(_STDOUT, number, b"")
        self._say(_END, number, bytes(8))
        return keep

    def _say(self, kind: int, number: int, content: bytes) -> None:
        self.wfile.write(_HEADER.pack(1, kind, number, len(content), 0) + content)


class Uwsgi(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        head = self.rfile.read(4)
        if len(head) < 4:  # somebody has looked whether it listens
            return
        _, size, _ = struct.unpack("<BHB", head)
        data, at, told = _exactly(self.rfile, size), 0, {}
        words = []
        while at < len(data):
            (length,) = struct.unpack_from("<H", data, at)
            words.append(data[at + 2 : at + 2 + length].decode())
            at += 2 + length
        told = dict(zip(words[::2], words[1::2], strict=True))
        body = int(told.get("CONTENT_LENGTH") or 0)
        _exactly(self.rfile, body)
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + answer(told, body))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    families: ClassVar = {False: socket.AF_INET, True: socket.AF_UNIX}

    def __init__(self, address: str | tuple[str, int], kind: type[socketserver.BaseRequestHandler]):
        self.address_family = self.families[isinstance(address, str)]
        super().__init__(address, kind)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        if isinstance(self.server_address, str):
            os.chmod(self.server_address, 0o666)


def serve(protocol: str, address: str | tuple[str, int]) -> socketserver.BaseServer:
    """A server that listens; `serve_forever` has it answer. `address`: a socket's path, or both."""
    return _Server(address, {"fastcgi": FastCgi, "uwsgi": Uwsgi}[protocol])


def main(protocol: str, address: str, port: str = "") -> None:
    path = address.removeprefix("unix:")
    server = serve(protocol, (address, int(port)) if port else path)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
