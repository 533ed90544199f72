"""How the machines and the VIP are asked; nothing is asked here."""

from __future__ import annotations

import errno
import ssl
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from verify.observe import gather, vip_requests
from verify.snapshot import HostAnswers


def test_no_more_machines_are_asked_at_once_than_pyinfra_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, most = [0], [0]

    def answers_of(state: object, host: Any, reconnect: bool) -> HostAnswers:
        now[0] += 1
        most[0] = max(most[0], now[0])
        gevent.sleep(0.001)
        now[0] -= 1
        return HostAnswers(host=host.name)

    monkeypatch.setattr(gather, "_answers_of", answers_of)
    monkeypatch.setattr("settings.clusters", lambda inventory: ())
    state: Any = SimpleNamespace(
        inventory=[SimpleNamespace(name=f"host{number}") for number in range(9)],
        is_host_in_limit=lambda host: True,
        config=SimpleNamespace(PARALLEL=4),
    )
    found = gather.take_snapshot(state)
    assert len(found.hosts) == 9
    assert most == [4]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "no answer in time"),
        (ssl.SSLError("The handshake operation timed out"), "no answer in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "connection reset"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to it"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "no route to it"),
        (ssl.SSLError("wrong version number"), "SSLError"),
    ],
)
def test_why_the_vip_did_not_answer_is_said_plainly(error: OSError, words: str) -> None:
    assert vip_requests.problem(error) == words
