"""Many more requests than usual, at a rate that is limited: a process of its own.

    python -m drills.clients.flood_clients SPEC

Its connections are kept, and each has one request under way at a time: where the server is slower
than the rate, there are fewer. It ends after `hold_s`, or when its standard input does.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

from drills.clients.client_process import ClientSpec, Output
from drills.clients.http_answer import complete

RECEIVE_B = 65536
# Requests are begun in steps of this length.
STEP_S = 0.005


@dataclass(frozen=True)
class FloodSpec(ClientSpec):
    """So many requests per second, over so many connections, for so long."""

    rate: float
    connections: int
    hold_s: float


@dataclass
class Flood:
    """Its counts: requests `asked`, `answered`, and connections `broken` under a request."""

    spec: FloodSpec
    asked: int = 0
    answered: int = 0
    broken: int = 0
    free: list[socket.socket] = field(default_factory=list)
    busy: dict[socket.socket, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._request = f"GET / HTTP/1.1\r\nHost: {self.spec.host}\r\n\r\n".encode()

    def connect(self) -> None:
        """Open what is missing. Raises `OSError` where nobody listens."""
        while len(self.free) + len(self.busy) < self.spec.connections:
            one = socket.create_connection((self.spec.address, self.spec.port), 1.0)
            one.sendall(self.spec.opening.encode())
            one.setblocking(False)
            self.free.append(one)

    def ask(self, wanted: int) -> None:
        """Begin so many requests, or as many as there are free connections."""
        for _ in range(min(wanted, len(self.free))):
            one = self.free.pop()
            try:
                one.sendall(self._request)
            except OSError:
                self._end(one)
                continue
            self.asked += 1
            self.busy[one] = b""

    def read(self, wait_s: float) -> None:
        """What has been answered by then."""
        for one in select.select(list(self.busy), [], [], wait_s)[0]:
            try:
                data = one.recv(RECEIVE_B)
            except OSError:
                data = b""
            if not data:
                del self.busy[one]
                self._end(one)
                continue
            self.busy[one] += data
            if complete(self.busy[one]):
                del self.busy[one]
                self.answered += 1
                self.free.append(one)

    def _end(self, one: socket.socket) -> None:
        self.broken += 1
        one.close()


def run(spec: FloodSpec, stop: int = 0, output: int = 1) -> None:
    out = Output(output)
    flood = Flood(spec)
    flood.connect()
    began = time.monotonic()
    out.write([json.dumps({"flows": spec.connections})])
    while (passed := time.monotonic() - began) < spec.hold_s:
        with suppress(OSError):
            flood.connect()
        flood.ask(max(0, int(spec.rate * passed) - flood.asked))
        flood.read(STEP_S)
        if select.select([stop], [], [], 0)[0]:
            break
    said = {"done": True, "asked": flood.asked, "answered": flood.answered, "broken": flood.broken}
    out.write([json.dumps(said)])
    out.finish()


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        run(FloodSpec.from_json(sys.argv[1]))
