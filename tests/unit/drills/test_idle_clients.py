"""Idle connections against servers on loopback, and what is said about memory."""

from __future__ import annotations

import json
from socket import socket

import pytest

from drills.clients.idle_clients import IdleSpec
from drills.scenarios.memory_use import MemoryUse, parse, per_connection
from tests.unit.drills.loopback import Answer, client, server

READING = """\
pss 5120
rss 9000
slab 80000
tcp 10
Active connections: 12
server accepts handled requests
 9 9 9
"""


def answers(times: int) -> Answer:
    """Answers so often on each connection, then closes it."""

    def answer(connection: socket, number: int) -> bool:
        if number < times:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
        return number + 1 < times

    return answer


def held(port: int) -> dict[str, int]:
    process = client("idle_clients", IdleSpec("127.0.0.1", port, connections=30, hold_s=0.5))
    assert process.stdout is not None
    found: dict[str, int] = {}
    for line in process.stdout:
        found |= json.loads(line)
    return found


@pytest.mark.parametrize(
    ("times", "idle", "answered", "closed"), [(3, 30, 30, 0), (2, 30, 0, 30), (1, 0, 0, 30)]
)
def test_connections_that_a_server_closes_are_counted(
    times: int, idle: int, answered: int, closed: int
) -> None:
    with server(answers(times)) as port:
        said = held(port)
    assert (said["idle"], said["answered"], said["closed"]) == (idle, answered, closed)


def test_memory_is_read_and_told_per_connection() -> None:
    before = parse(READING)
    assert before == MemoryUse(pss=5120, rss=9000, slab=80000, tcp=40, connections=12)
    after = MemoryUse(pss=7120, rss=11000, slab=83000, tcp=540, connections=1012)
    assert per_connection(before, after, 1000, lab=False) == (
        "per connection nginx 2.00 kB (PSS 5120 to 7120 kB, RSS 9000 to 11000 kB), kernel 3.50 kB"
    )
    with pytest.raises(ValueError, match="no account"):
        parse("pss 1")
