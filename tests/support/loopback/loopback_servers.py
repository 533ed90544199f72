"""Servers on loopback that answer until the tests are over: applications, and who knows names."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.gateway import authority


class Application(BaseHTTPRequestHandler):
    """Says in JSON what it was asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        told = {name.lower(): value for name, value in self.headers.items()}
        text = json.dumps({"path": self.path, "body": len(body), **told}).encode()
        self.send_response(200)
        self.send_header("X-Powered-By", "test")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def address_string(self) -> str:
        return "somebody"  # a Unix socket's client has no address

    def log_message(self, format: str, *arguments: object) -> None:
        """It says nothing."""


class UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "unix", 0
        Path(str(self.server_address)).chmod(0o666)


class NameServer(socketserver.BaseRequestHandler):
    """Says of every name that it is at `address`, for a second."""

    address = "127.0.0.1"

    def handle(self) -> None:
        query, connection = self.request
        end = query.index(b"\0", 12) + 5
        is_ipv4 = query[end - 4 : end - 2] == b"\0\x01"
        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, int(is_ipv4), 0, 0)
        said = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(self.address)
        connection.sendto(head + query[12:end] + (said if is_ipv4 else b""), self.client_address)


def started(server: socketserver.BaseServer) -> Any:
    """It answers until the tests are over. Says where it listens."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address: Any = server.server_address
    return address


def application(address: str = "127.0.0.1", tls: authority.Issued | None = None) -> str:
    server = ThreadingHTTPServer((address, 0), Application)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    host, port = started(server)
    return f"{host}:{port}"
