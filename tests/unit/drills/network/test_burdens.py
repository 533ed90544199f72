"""Clients that are a burden, against servers on loopback; and a stranger's announcement."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from drills.clients.address_stranger import MAC, announcement
from drills.clients.client_process import ClientSpec
from drills.clients.flood_clients import FloodSpec
from drills.clients.slow_clients import SlowSpec
from tests.unit.drills.loopback import Answer, client, server

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


def said(module: str, spec: ClientSpec) -> dict[str, Any]:
    process = client(module, spec)
    assert process.stdout is not None
    found: dict[str, Any] = {}
    for line in process.stdout:
        found |= json.loads(line)
    assert process.wait() == 0
    return found


def waiting(received: list[bytes]) -> Answer:
    """Waits for the rest of each request, as a server does."""

    def answer(connection: socket.socket, number: int) -> bool:
        received.append(b"a part")
        return True

    return answer


def test_slow_clients_hold_their_connections_with_half_a_request() -> None:
    parts: list[bytes] = []
    with server(waiting(parts)) as port:
        found = said("slow_clients", SlowSpec("127.0.0.1", port, connections=20, hold_s=1.3))
    assert found == {"slow": 20, "done": True, "held": 20, "closed": 0}
    assert len(parts) >= 40, "each sends one more letter every second"


def test_a_slow_client_that_is_closed_begins_anew_and_is_counted() -> None:
    with server(lambda connection, number: False) as port:
        found = said("slow_clients", SlowSpec("127.0.0.1", port, connections=5, hold_s=1.3))
    assert found["closed"] >= 5


def test_slow_clients_end_with_whoever_started_them() -> None:
    with server(waiting([])) as port:
        process = client("slow_clients", SlowSpec("127.0.0.1", port, connections=3, hold_s=60))
        assert process.stdin is not None and process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"slow": 3}
        began = time.monotonic()
        process.stdin.close()
        assert process.wait(5) == 0
        assert time.monotonic() - began < 3
        process.stdout.close()


@pytest.mark.parametrize(("rate", "least"), [(100.0, 60), (300.0, 180)])
def test_a_flood_keeps_to_its_rate(rate: float, least: int) -> None:
    def answer(connection: socket.socket, number: int) -> bool:
        connection.sendall(ANSWER)
        return True

    with server(answer) as port:
        spec = FloodSpec("127.0.0.1", port, rate=rate, connections=4, hold_s=1.0)
        found = said("flood_clients", spec)
    assert least <= found["answered"] <= rate
    assert (found["flows"], found["broken"]) == (4, 0)


def test_connections_that_break_under_a_flood_are_counted_and_begun_anew() -> None:
    def once(connection: socket.socket, number: int) -> bool:
        connection.sendall(ANSWER)
        return False

    with server(once) as port:
        spec = FloodSpec("127.0.0.1", port, rate=100, connections=4, hold_s=0.6)
        found = said("flood_clients", spec)
    assert found["answered"] > 4 and found["broken"] > 0


def test_a_stranger_tells_everybody_that_the_address_is_at_its_mac() -> None:
    frame = announcement("10.0.0.9", MAC)
    own = bytes.fromhex(MAC.replace(":", ""))
    assert frame[:6] == b"\xff" * 6 and frame[6:12] == own
    assert frame[12:14] == b"\x08\x06" and len(frame) == 42
    assert frame[20:22] == b"\x00\x02", "a reply, unasked"
    assert frame[22:32] == own + bytes([10, 0, 0, 9])
    assert frame[38:] == bytes([10, 0, 0, 9])
