"""The prober: asks one address at a fixed rate, each time on a new connection, in an open loop.

A process of its own (`python -m drills.clients.prober SPEC`), because whatever shares an event loop
or an interpreter lock with it would be measured, too. Request i is due at t0 + i/rate whether or
not the earlier ones came back: a prober that waits for its answers hides the outage it looks for.

SPEC is JSON (`Spec`). It prints {"t0": ..., "wall": ...} (CLOCK_MONOTONIC, and the time of day at
that moment), then a JSON array per request as `drills.results.Request` has it, in the order they
end, then {"done": ...}. It stops when its standard input ends, or says anything: also when whoever
started it has died.
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
from dataclasses import asdict, dataclass, field

from drills.clients import tls_layer
from drills.outcomes import RequestOutcome

# Linux repeats a SYN after 1 s: a longer timeout would turn lost requests into slow ones.
CONNECT_TIMEOUT_S = 0.5
WHOLE_TIMEOUT_S = 1.0
# So many are attended to before it is looked who is due: after an outage all connect at once, and a
# step of a handshake takes 1 ms.
CROWD = 4
# The loop wakes this often at least, so that a stop is noticed.
IDLE_S = 0.1

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
class Spec:
    """What to ask. `pages`: node by the text of its page; "" for one that several have.

    `token`: every request is told apart in the server's log, as `/?TOKEN-i`; "": plain `/`.
    `tls`: each connection begins with a handshake; whose certificate it is, is not asked.
    """

    address: str
    port: int
    rate: float
    longest_s: float
    pages: dict[str, str]
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    whole_timeout_s: float = WHOLE_TIMEOUT_S
    token: str = ""
    tls: bool = False
    path: str = "/"

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class Asked:
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


def classified(received: bytes, pages: dict[str, str]) -> tuple[RequestOutcome, str]:
    """Outcome and answering node of everything that came back on a connection, by its end."""
    if not received:
        return RequestOutcome.EMPTY, ""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return RequestOutcome.RESET, ""
    words, *lines = head.split(b"\r\n")
    headers = dict(line.lower().partition(b":")[::2] for line in lines)
    length = headers.get(b"content-length", b"").strip()
    if length.isdigit() and len(body) < int(length):
        return RequestOutcome.RESET, ""  # cut in the middle of the page
    status = words.split(b" ")[1:2]
    if status and status[0].startswith(b"5"):
        return RequestOutcome.HTTP_5XX, ""
    node = pages.get(body.decode("utf-8", "replace").strip())
    if status != [b"200"] or node is None:
        return RequestOutcome.WRONG_BODY, ""
    return RequestOutcome.OK, node


class Prober:
    """The loop. `say` takes each ended request's line."""

    def __init__(self, spec: Spec, t0: float):
        self.spec = spec
        self.t0 = t0
        self.sent = 0
        self.readers: dict[int, Asked] = {}
        self.writers: dict[int, Asked] = {}
        # Every request waits equally long, so that the first to time out is the first in line.
        self.connecting: deque[Asked] = deque()
        self.waiting: deque[Asked] = deque()
        self.lines: list[str] = []
        self._family = socket.AF_INET6 if ":" in spec.address else socket.AF_INET
        host = f"[{spec.address}]" if self._family == socket.AF_INET6 else spec.address
        self._tls = tls_layer.context() if spec.tls else None
        self._headers = f"Host: {host}\r\nConnection: close\r\nUser-Agent: tandem-drill\r\n\r\n"

    def _request(self, number: int) -> bytes:
        query = f"?{self.spec.token}-{number}" if self.spec.token else ""
        return f"GET {self.spec.path}{query} HTTP/1.1\r\n{self._headers}".encode()

    @property
    def next_due(self) -> float:
        return self.t0 + self.sent / self.spec.rate

    def send_due(self, now: float) -> None:
        """Everything that is due, however late we are."""
        while self.next_due <= now:
            due = self.next_due
            self._send(self.sent, due)
            self.sent += 1

    def _send(self, number: int, due: float) -> None:
        connection = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        asked = Asked(number, due, time.monotonic(), connection)
        code = connection.connect_ex((self.spec.address, self.spec.port))
        if code not in (0, errno.EINPROGRESS):
            self._end(asked, connect_outcome(code))
            return
        self.writers[connection.fileno()] = asked
        self.connecting.append(asked)
        self.waiting.append(asked)

    def step(self, until: float, also: list[int]) -> list[int]:
        """Wait for whatever comes first, at the longest until then; which of `also` can be read."""
        until = min(until, self._first_timeout())
        wait = max(0.0, until - time.monotonic())
        readable, writable, _ = select.select([*self.readers, *also], [*self.writers], [], wait)
        for number in writable[:CROWD]:
            self._connected(self.writers[number])
        for number in [number for number in readable if number not in also][:CROWD]:
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

    def _connected(self, asked: Asked) -> None:
        code = asked.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._end(asked, connect_outcome(code))
            return
        asked.connected = time.monotonic()
        del self.writers[asked.socket.fileno()]
        if self._tls is not None:
            # Takes the socket over, under the same number.
            asked.tls = self._tls.wrap_socket(asked.socket, do_handshake_on_connect=False)
            asked.socket = asked.tls
        self.readers[asked.socket.fileno()] = asked
        try:
            if asked.tls is None or self._secured(asked):
                asked.socket.send(self._request(asked.number))
        except OSError as error:
            self._end(asked, CONNECT_ERRORS.get(error.errno or 0, RequestOutcome.RESET))

    def _secured(self, asked: Asked) -> bool:
        """One step of the handshake; whether it was the last. A few hundred bytes always go out."""
        assert asked.tls is not None
        try:
            asked.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        asked.secured = True
        return True

    def _read(self, asked: Asked) -> None:
        try:
            if asked.tls is not None and not asked.secured:
                if self._secured(asked):
                    asked.socket.send(self._request(asked.number))
                return
            data = asked.socket.recv(65536)
            while asked.tls is not None and data and asked.tls.pending():
                data += asked.socket.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError as error:
            self._end(asked, CONNECT_ERRORS.get(error.errno or 0, RequestOutcome.RESET))
            return
        asked.received += data
        if not data:
            self._end(asked, *classified(bytes(asked.received), self.spec.pages))

    def _end(self, asked: Asked, outcome: RequestOutcome, node: str = "") -> None:
        now = time.monotonic()
        asked.done = True
        self.readers.pop(asked.socket.fileno(), None)
        self.writers.pop(asked.socket.fileno(), None)
        asked.socket.close()
        connect = None if asked.connected is None else round(asked.connected - asked.sent, 6)
        line = (
            round(asked.due - self.t0, 6),
            round(asked.sent - asked.due, 6),
            connect,
            round(now - asked.sent, 6),
            outcome,
            node,
        )
        self.lines.append(json.dumps(line))

    @property
    def outstanding(self) -> int:
        return len(self.readers) + len(self.writers)


def connect_outcome(code: int) -> RequestOutcome:
    """Raises `OSError` for what is wrong on this side, such as no free port."""
    if code not in CONNECT_ERRORS:
        raise OSError(code, os.strerror(code))
    return CONNECT_ERRORS[code]


class Output:
    """Standard output that never makes the prober wait: what the pipe does not take is kept."""

    def __init__(self, number: int):
        self.number = number
        self.kept = b""
        os.set_blocking(number, False)

    def write(self, lines: list[str]) -> None:
        self.kept += "".join(f"{line}\n" for line in lines).encode()
        lines.clear()
        with suppress(BlockingIOError):
            while self.kept:
                self.kept = self.kept[os.write(self.number, self.kept) :]

    def finish(self) -> None:
        os.set_blocking(self.number, True)
        while self.kept:
            self.kept = self.kept[os.write(self.number, self.kept) :]


def prefer_this_process() -> None:
    """Ask for the CPU before others: a prober that waits for it measures itself."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -15)


def run(spec: Spec, stop: int = 0, output: int = 1) -> None:
    """Ask until `stop` can be read, or for `longest_s`; then wait for what is on its way."""
    t0 = time.monotonic() + 0.02
    out = Output(output)
    out.write([json.dumps({"t0": t0, "wall": time.time() + 0.02})])
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
        run(Spec(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
