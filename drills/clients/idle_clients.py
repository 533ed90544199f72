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
from collections.abc import Iterable, Iterator
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


@dataclass
class IdleClient:
    """One connection. `requests` were answered, the last of them at `answered_at`."""

    socket: socket.socket
    requests: int = 0
    answered_at: float = 0.0
    received: bytes = b""


class IdleClients:
    """The connections and what became of them. A plain loop: with 10,000, each must cost little."""

    def __init__(self, spec: IdleSpec, stop: int = 0):
        self.spec = spec
        self.closed = 0
        self._stop = stop
        self._clients: list[IdleClient] = []
        self._request = (
            f"GET /tandem-health HTTP/1.1\r\nHost: {spec.host}\r\nUser-Agent: tandem-drill\r\n\r\n"
        ).encode()

    def open(self) -> None:
        """Connect them all, and ask on each."""
        numbers = iter(range(self.spec.connections))
        while batch := [self._connecting() for _ in islice(numbers, AT_ONCE)]:
            connected = list(_ready(batch, select.POLLOUT))
            self._clients += self._ask(connected)

    def ask_all(self, silent_s: float = 0.0) -> int:
        """How many answer, each asked after so long a silence. The others are closed."""
        before, self._clients = iter(self._clients), []
        while batch := list(islice(before, AT_ONCE)):
            self._wait(batch[-1].answered_at + silent_s - time.monotonic())
            self._clients += self._ask(batch)
        return len(self._clients)

    def _connecting(self) -> IdleClient:
        client = IdleClient(socket.socket(self.spec.family, socket.SOCK_STREAM))
        client.socket.setblocking(False)
        client.socket.connect_ex((self.spec.address, self.spec.port))
        return client

    def _ask(self, batch: Iterable[IdleClient]) -> list[IdleClient]:
        """Ask on each; those that are answered."""
        waiting = [client for client in batch if self._sent(client)]
        answered: list[IdleClient] = []
        while waiting:
            readable = list(_ready(waiting, select.POLLIN, all_of_them=False))
            if not readable:
                break
            for client in readable:
                data = b""
                with suppress(OSError):
                    data = client.socket.recv(RECEIVE_B)
                client.received += data
                if not data:
                    waiting.remove(client)
                    self._lost(client)
                elif complete(client.received):
                    waiting.remove(client)
                    client.requests += 1
                    client.answered_at, client.received = time.monotonic(), b""
                    answered.append(client)
        for client in waiting:
            client.socket.close()
        return answered

    def _sent(self, client: IdleClient) -> bool:
        try:
            if client.requests and not client.socket.recv(1, socket.MSG_PEEK):
                return self._lost(client)
        except BlockingIOError:
            pass
        except OSError:
            return self._lost(client)
        with suppress(OSError):
            return client.socket.send(self._request) == len(self._request)
        return self._lost(client)

    def _lost(self, client: IdleClient) -> bool:
        """The server has closed it, in order or not."""
        self.closed += 1
        client.socket.close()
        return False

    def _wait(self, seconds: float) -> None:
        """That long, or until this process is asked to end."""
        if seconds > 0:
            select.select([self._stop], [], [], seconds)


def _ready(
    clients: list[IdleClient], event: int, *, all_of_them: bool = True
) -> Iterator[IdleClient]:
    """The clients whose sockets are ready for `event`: all within `TIMEOUT_S`, or the first few."""
    poll = select.poll()
    waiting = {client.socket.fileno(): client for client in clients}
    for number in waiting:
        poll.register(number, event)
    deadline = time.monotonic() + TIMEOUT_S
    while waiting and (left_s := deadline - time.monotonic()) > 0:
        for number, found in poll.poll(1000 * left_s):
            poll.unregister(number)
            client = waiting.pop(number)
            if found & event and not client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                yield client
            elif not all_of_them:
                yield client  # reading from it shows what is wrong
            else:
                client.socket.close()
        if not all_of_them:
            return
    for client in waiting.values() if all_of_them else ():
        client.socket.close()


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
