"""A stranger that calls by BGP, and whoever takes its call, refuses it, or says nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from drills.clients import bgp_stranger
from drills.clients.bgp_stranger import BgpStrangerSpec, message

SPEC = BgpStrangerSpec("10.1.0.250/24", ("127.0.0.1",), 65010, "192.0.2.80")
Answer = Callable[[socket.socket], None]


@contextmanager
def listening(answer: Answer) -> Iterator[BgpStrangerSpec]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        yield BgpStrangerSpec(SPEC.address, SPEC.targets, SPEC.asn, SPEC.vip, port)
        thread.join(5)


def test_who_takes_its_session_hears_of_the_vip(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a router that believes anybody would be found."""
    monkeypatch.setattr(bgp_stranger, "ESTABLISHED_S", 0.0)
    heard: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        heard.append(connection.recv(4096))
        connection.sendall(message(bgp_stranger.OPEN, heard[0][19:]) + message(4))
        heard.append(connection.recv(4096))

    with listening(answer) as spec:
        assert bgp_stranger.call(spec, "127.0.0.1") == "established"
    first, then = heard
    assert first[:19] == b"\xff" * 16 + len(first).to_bytes(2, "big") + b"\x01"
    assert first[19:22] == bytes([4]) + (65010).to_bytes(2, "big")
    assert then.startswith(message(bgp_stranger.KEEPALIVE))
    assert then.endswith(bytes([32]) + socket.inet_aton("192.0.2.80"))
    assert socket.inet_aton("10.1.0.250") in then


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (lambda connection: None, "closed"),
        (lambda connection: connection.recv(4096), "closed"),
        (
            lambda connection: connection.sendall(message(bgp_stranger.NOTIFICATION, b"\2\5")),
            "closed, with NOTIFICATION 2.5",
        ),
    ],
)
def test_who_ends_its_call_has_not_taken_it(answer: Answer, outcome: str) -> None:
    with listening(answer) as spec:
        found = bgp_stranger.call(spec, "127.0.0.1")
    assert found == outcome


def test_who_says_nothing_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bgp_stranger, "CALL_TIMEOUT_S", 0.2)
    done = threading.Event()

    def answer(connection: socket.socket) -> None:
        done.wait(5)

    with listening(answer) as spec:
        assert bgp_stranger.call(spec, "127.0.0.1") == "unheard"
        done.set()
    assert bgp_stranger.call(spec, "127.0.0.1") == "refused"  # nobody listens there any more


def test_a_number_of_32_bits_is_in_the_capability_alone() -> None:
    spec = BgpStrangerSpec(SPEC.address, (), 4_200_000_000, SPEC.vip)
    said = bgp_stranger.open_message(spec)
    assert said[20:22] == bgp_stranger.AS_TRANS.to_bytes(2, "big")
    assert said.endswith(bytes([65, 4]) + (4_200_000_000).to_bytes(4, "big"))
