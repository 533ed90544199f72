"""Idle connections against servers on loopback, and what is said about memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server, socket
from threading import Thread

import pytest

from drills.clients.idle_clients import IdleSpec
from drills.control.memory_use import MemoryUse, parse, per_connection

ROOT = Path(__file__).resolve().parents[3]
SAID = """\
pss 5120
rss 9000
slab 80000
tcp 10
Active connections: 12
server accepts handled requests
 9 9 9
"""


@contextmanager
def server(answers: int) -> Iterator[int]:
    """Answers so often on each connection, then closes it."""

    def serve(connection: socket) -> None:
        with connection:
            for _ in range(answers):
                if not connection.recv(4096):
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")

    def accept() -> None:
        try:
            while True:
                Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        except OSError:
            pass

    with create_server(("127.0.0.1", 0), backlog=64) as listener:
        Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def held(port: int) -> dict[str, int]:
    spec = IdleSpec("127.0.0.1", port, connections=30, hold_s=0.5)
    done = subprocess.run(
        [sys.executable, "-m", "drills.clients.idle_clients", spec.to_json()],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        timeout=60,
        input=None,
    )
    found: dict[str, int] = {}
    for line in done.stdout.splitlines():
        found |= json.loads(line)
    return found


@pytest.mark.parametrize(
    ("answers", "idle", "answered", "closed"), [(3, 30, 30, 0), (2, 30, 0, 30), (1, 0, 0, 30)]
)
def test_connections_that_a_server_closes_are_counted(
    answers: int, idle: int, answered: int, closed: int
) -> None:
    with server(answers) as port:
        said = held(port)
    assert (said["idle"], said["answered"], said["closed"]) == (idle, answered, closed)


def test_memory_is_read_and_told_per_connection() -> None:
    before = parse(SAID)
    assert before == MemoryUse(pss=5120, rss=9000, slab=80000, tcp=40, connections=12)
    after = MemoryUse(pss=7120, rss=11000, slab=83000, tcp=540, connections=1012)
    assert per_connection(before, after, 1000, lab=False) == (
        "per connection nginx 2.00 kB (PSS 5120 to 7120 kB, RSS 9000 to 11000 kB), kernel 3.50 kB"
    )
    with pytest.raises(ValueError, match="no account"):
        parse("pss 1")
