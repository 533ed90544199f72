"""Connections that ask once and then say nothing: opened, held, and asked again at the end.

A process of its own (`python -m drills.clients.idle_clients SPEC`), for its many files. SPEC is
JSON (`IdleSpec`). It prints {"t0": ...}, {"idle": connections, "seconds": ...} once all of them
have been answered twice and are silent, and at the end {"done": ..., "answered": ...,
"closed": ...}: how many were answered again, each after `hold_s` of silence, and how many the
server had closed.
All are open until the last of them has been asked. It ends early when its standard input does.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from drills.clients.client_process import ClientSpec, Output
from drills.clients.http_answer import complete

# At a time: fewer than a server lets wait, so that what is measured is not a burst.
AT_ONCE = 100
OWN_FILES = 64
RECEIVE_B = 4096
# Of a whole batch. A machine that has to accept thousands may need a SYN twice.
TIMEOUT_S = 5.0


@dataclass(frozen=True)
class IdleSpec(ClientSpec):
    """What to do: so many connections, silent for so long."""

    connections: int
    hold_s: float


class IdleClients:
    """The connections and what became of them. A plain loop: with 10,000, each must cost little."""

    def __init__(self, spec: IdleSpec, stop: int = 0):
        self.spec = spec
        self.closed = 0
        self._stop = stop
        # With the moment of the last answer, the oldest first.
        self._answered_at: dict[socket.socket, float] = {}
        self._request = (
            f"GET /tandem-health HTTP/1.1\r\nHost: {spec.host}\r\nUser-Agent: tandem-drill\r\n\r\n"
        ).encode()

    def open(self) -> None:
        """Connect them all, and ask on each."""
        numbers = iter(range(self.spec.connections))
        while batch := [self._connecting() for _ in islice(numbers, AT_ONCE)]:
            self._ask(batch, self._send_first)

    def ask_all(self, silent_s: float = 0.0) -> int:
        """How many answer, each asked after so long a silence. The others are closed."""
        before, self._answered_at = iter(self._answered_at.items()), {}
        while batch := dict(islice(before, AT_ONCE)):
            self._wait(max(batch.values()) + silent_s - time.monotonic())
            self._ask(batch, self._send)
        return len(self._answered_at)

    def _connecting(self) -> socket.socket:
        connection = socket.socket(self.spec.family, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.connect_ex((self.spec.address, self.spec.port))
        return connection

    def _ask(self, batch: Iterable[socket.socket], send: Callable[[socket.socket], None]) -> None:
        """Ask on each, and keep those that are answered.

        One after another: meanwhile the others are connected and answered, too.
        """
        deadline = time.monotonic() + TIMEOUT_S
        asked = [one for one in batch if self._done(send, one, deadline)]
        for one in asked:
            if self._done(self._receive, one, deadline):
                self._answered_at[one] = time.monotonic()

    def _done(
        self, step: Callable[[socket.socket], None], connection: socket.socket, deadline: float
    ) -> bool:
        """Whether that worked in time. Otherwise this end of the connection is closed, too."""
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            step(connection)
        except OSError as error:
            self.closed += not isinstance(error, TimeoutError)
            connection.close()
            return False
        return True

    def _send_first(self, connection: socket.socket) -> None:
        connection.sendall(self.spec.opening.encode() + self._request)

    def _send(self, connection: socket.socket) -> None:
        connection.sendall(self._request)

    def _receive(self, connection: socket.socket) -> None:
        received = b""
        while not complete(received):
            data = connection.recv(RECEIVE_B)
            if not data:
                raise ConnectionResetError
            received += data

    def _wait(self, seconds: float) -> None:
        """That long, or until this process is asked to end."""
        if seconds > 0:
            select.select([self._stop], [], [], seconds)


def run(spec: IdleSpec, stop: int = 0, output: int = 1) -> None:
    out = Output(output)
    began = time.monotonic()
    out.write([json.dumps({"t0": began})])
    idle = IdleClients(spec, stop)
    idle.open()
    silent = idle.ask_all()
    out.write([json.dumps({"idle": silent, "seconds": round(time.monotonic() - began, 2)})])
    answered = idle.ask_all(spec.hold_s)
    out.write([json.dumps({"done": silent, "answered": answered, "closed": idle.closed})])
    out.finish()


def have_files(wanted: int) -> None:
    """Allow this process so many open files. Raises `SystemExit` with what would be right."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        except (OSError, ValueError):
            remedy = f"this machine's limit is {hard} open files: ulimit -n {wanted}"
            raise SystemExit(remedy) from None


def main() -> None:
    spec = IdleSpec.from_json(sys.argv[1])
    have_files(spec.connections + OWN_FILES)
    with suppress(BrokenPipeError, KeyboardInterrupt):
        run(spec)


if __name__ == "__main__":
    main()
