"""A small application behind the proxy.

    python -m tests.support.clients.upstream ADDRESS PORT NAME [CERTIFICATE KEY]

/page/…     what it is called and how often it was asked; may be cached for a second
/post       how often it was sent a POST; breaks the connection instead of answering
/headers    what it was sent
/upload/…   the sha256 of what it was sent
/echo       a WebSocket that says everything back
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# RFC 6455, 1.3.
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""
    asked = 0
    posts = 0

    def do_GET(self) -> None:
        kind = type(self)
        if self.path == "/echo":
            self.web_socket()
        elif self.path == "/headers":
            self.answer(json.dumps({key.lower(): value for key, value in self.headers.items()}))
        elif self.path == "/posts":
            self.answer(str(kind.posts))
        else:
            kind.asked += 1
            self.answer(f"{self.name} {kind.asked}", "max-age=1" if "/page/" in self.path else "")

    def do_POST(self) -> None:
        if self.path.startswith("/upload/"):
            digest, left = hashlib.sha256(), int(self.headers["Content-Length"])
            while left and (part := self.rfile.read(min(left, 65536))):
                digest.update(part)
                left -= len(part)
            self.answer(digest.hexdigest())
            return
        type(self).posts += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.close_connection = True

    def answer(self, text: str, cached: str = "no-store") -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        if cached:
            self.send_header("Cache-Control", cached)
        self.end_headers()
        self.wfile.write(text.encode())

    def web_socket(self) -> None:
        key = self.headers.get("Sec-WebSocket-Key", "")
        if self.headers.get("Upgrade", "").lower() != "websocket" or not key:
            self.send_error(400)
            return
        accepted = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accepted)
        self.end_headers()
        self.wfile.flush()
        while said := self.connection.recv(4096):
            self.wfile.write(said)
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """It says nothing."""


def main(address: str, port: str, name: str, certificate: str = "", key: str = "") -> None:
    Application.name = name
    server = ThreadingHTTPServer((address, int(port)), Application)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
