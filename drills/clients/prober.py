"""The prober: asks one address at a fixed rate, each time on a new connection, in an open loop.

A process of its own (`python -m drills.clients.prober SPEC`), because whatever shares an event loop
or an interpreter lock with it would be measured, too. Request i is due at t0 + i/rate whether or
not the earlier ones came back: a prober that waits for its answers hides the outage it looks for.

SPEC is JSON (`ProberSpec`). It prints {"t0": ...} (CLOCK_MONOTONIC), then a JSON array per request
as `drills.records.Request` has it, in the order they end, then {"done": ...}. It stops when its
standard input has data or ends, so that it does not outlive the process that started it.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import ssl
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from drills.clients.client_process import (
    CONNECT_ERRORS,
    CONNECT_TIMEOUT_S,
    ClientSpec,
    Output,
    connect_outcome,
    tls_context,
)
from drills.clients.http_answer import classified
from drills.outcomes import RequestOutcome

WHOLE_TIMEOUT_S = 1.0
# So many ready connections are served before the next due requests are sent: after an outage all
# connect at once, and a step of a handshake takes 1 ms.
READY_AT_ONCE = 4
# The loop wakes this often at least, so that a stop is noticed.
IDLE_S = 0.1


@dataclass(frozen=True)
class ProberSpec(ClientSpec):
    """What to ask. `pages`: node by the text of its page; "" for one that several have.

    `token`: every request is told apart in the server's log, as `/?TOKEN-i`; "": plain `/`.
    `tls`: each connection begins with a handshake; any certificate is accepted.
    """

    rate: float
    longest_s: float
    pages: dict[str, str]
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    whole_timeout_s: float = WHOLE_TIMEOUT_S
    token: str = ""
    tls: bool = False
    path: str = "/"


@dataclass
class InFlight:
    """One request on its way. Moments are of CLOCK_MONOTONIC."""

    number: int
    due: float
    sent: float
    socket: socket.socket
    connected: float | None = None
    tls: ssl.SSLSocket | None = None
    secured: bool = False
    received: bytearray = field(default_factory=bytearray)
    done: bool = False


class Prober:
    """The loop. `lines` has a line of JSON for each request that has ended."""

    def __init__(self, spec: ProberSpec, t0: float):
        self.spec = spec
        self.t0 = t0
        self.sent = 0
        self.readers: dict[int, InFlight] = {}
        self.writers: dict[int, InFlight] = {}
        # Every request waits equally long, so that the first to time out is the first in line.
        self.connecting: deque[InFlight] = deque()
        self.waiting: deque[InFlight] = deque()
        self.lines: list[str] = []
        self._family = spec.family
        self._tls = tls_context() if spec.tls else None
        self._headers = (
            f"Host: {spec.host}\r\nConnection: close\r\nUser-Agent: tandem-drill\r\n\r\n"
        )

    def _request(self, number: int) -> bytes:
        query = f"?{self.spec.token}-{number}" if self.spec.token else ""
        return f"GET {self.spec.path}{query} HTTP/1.1\r\n{self._headers}".encode()

    @property
    def next_due(self) -> float:
        return self.t0 + self.sent / self.spec.rate

    def send_due(self, now: float) -> None:
        """Send every request that is due, however late the prober is."""
        while self.next_due <= now:
            due = self.next_due
            self._send(self.sent, due)
            self.sent += 1

    def _send(self, number: int, due: float) -> None:
        connection = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.spec.bind(connection, number)
        request = InFlight(number, due, time.monotonic(), connection)
        code = connection.connect_ex((self.spec.address, self.spec.port))
        if code not in (0, errno.EINPROGRESS):
            self._end(request, connect_outcome(code))
            return
        self.writers[connection.fileno()] = request
        self.connecting.append(request)
        self.waiting.append(request)

    def step(self, until: float, also: list[int]) -> list[int]:
        """Wait for the next event, until `until` at the longest; which of `also` can be read."""
        until = min(until, self._first_timeout())
        wait = max(0.0, until - time.monotonic())
        readable, writable, _ = select.select([*self.readers, *also], [*self.writers], [], wait)
        for number in writable[:READY_AT_ONCE]:
            self._connected(self.writers[number])
        for number in [number for number in readable if number not in also][:READY_AT_ONCE]:
            if number in self.readers:
                self._read(self.readers[number])
        self._time_out(time.monotonic())
        return [number for number in readable if number in also]

    def _first_timeout(self) -> float:
        for line in (self.connecting, self.waiting):
            while line and (line[0].done or (line is self.connecting and line[0].connected)):
                line.popleft()
        first = float("inf")
        if self.connecting:
            first = self.connecting[0].sent + self.spec.connect_timeout_s
        if self.waiting:
            first = min(first, self.waiting[0].sent + self.spec.whole_timeout_s)
        return first

    def _time_out(self, now: float) -> None:
        while self._first_timeout() <= now:
            if self.connecting and (self.connecting[0].sent + self.spec.connect_timeout_s <= now):
                self._end(self.connecting[0], RequestOutcome.CONNECT_TIMEOUT)
            else:
                self._end(self.waiting[0], RequestOutcome.READ_TIMEOUT)

    def _connected(self, request: InFlight) -> None:
        code = request.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._end(request, connect_outcome(code))
            return
        request.connected = time.monotonic()
        del self.writers[request.socket.fileno()]
        if self.spec.opening and not self._opened(request):
            return
        if self._tls is not None:
            # Takes the socket over, under the same number.
            request.tls = self._tls.wrap_socket(request.socket, do_handshake_on_connect=False)
            request.socket = request.tls
        self.readers[request.socket.fileno()] = request
        try:
            if request.tls is None or self._secured(request):
                request.socket.send(self._request(request.number))
        except OSError as error:
            self._end(request, CONNECT_ERRORS.get(error.errno or 0, RequestOutcome.RESET))

    def _opened(self, request: InFlight) -> bool:
        """Whether what a connection begins with has gone out; the buffer for it is empty."""
        try:
            request.socket.send(self.spec.opening.encode())
        except OSError as error:
            self._end(request, CONNECT_ERRORS.get(error.errno or 0, RequestOutcome.RESET))
            return False
        return True

    def _secured(self, request: InFlight) -> bool:
        """One step of the handshake; whether it was the last. A few hundred bytes always go out."""
        assert request.tls is not None
        try:
            request.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        request.secured = True
        return True

    def _read(self, request: InFlight) -> None:
        try:
            if request.tls is not None and not request.secured:
                if self._secured(request):
                    request.socket.send(self._request(request.number))
                return
            data = request.socket.recv(65536)
            while request.tls is not None and data and request.tls.pending():
                data += request.socket.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError as error:
            self._end(request, CONNECT_ERRORS.get(error.errno or 0, RequestOutcome.RESET))
            return
        request.received += data
        if not data:
            self._end(request, *classified(bytes(request.received), self.spec.pages))

    def _end(self, request: InFlight, outcome: RequestOutcome, node: str = "") -> None:
        now = time.monotonic()
        request.done = True
        self.readers.pop(request.socket.fileno(), None)
        self.writers.pop(request.socket.fileno(), None)
        request.socket.close()
        connect = None if request.connected is None else round(request.connected - request.sent, 6)
        line = (
            round(request.due - self.t0, 6),
            round(request.sent - request.due, 6),
            connect,
            round(now - request.sent, 6),
            outcome,
            node,
        )
        self.lines.append(json.dumps(line))

    @property
    def outstanding(self) -> int:
        return len(self.readers) + len(self.writers)


def prefer_this_process() -> None:
    """Ask for the CPU before others: a prober that waits for it measures itself."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -15)


def run(spec: ProberSpec, stop: int = 0, output: int = 1) -> None:
    """Ask until `stop` can be read, or for `longest_s`; then wait for what is on its way."""
    t0 = time.monotonic() + 0.02
    out = Output(output)
    out.write([json.dumps({"t0": t0})])
    prober = Prober(spec, t0)
    end = t0 + spec.longest_s
    while time.monotonic() < end:
        prober.send_due(time.monotonic())
        if prober.step(min(prober.next_due, time.monotonic() + IDLE_S), [stop]):
            break
        out.write(prober.lines)
    while prober.outstanding:
        prober.step(time.monotonic() + IDLE_S, [])
    prober.lines.append(json.dumps({"done": prober.sent}))
    out.write(prober.lines)
    out.finish()


def main() -> None:
    import gc

    gc.disable()  # a run is short, and a collection is a pause
    prefer_this_process()
    with suppress(BrokenPipeError, KeyboardInterrupt):
        run(ProberSpec.from_json(sys.argv[1]))


if __name__ == "__main__":
    main()
