"""How the machines and the VIP are asked; nothing is asked here."""

from __future__ import annotations

import errno
import io
import socket
import ssl
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
import requests

from tests.support.snapshots import Spoiled
from verify.observe import gather, vip_requests
from verify.snapshot import VIP_REQUESTS, HostAnswers


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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "the controller has no IPv6 route"),
        (OSError(errno.EAFNOSUPPORT, "Address family not supported"), "the controller has no IPv6"),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign"), "the controller has no IPv6"),
        (socket.gaierror(-9, "Address family for hostname"), "the controller has no IPv6"),
    ],
)
def test_a_controller_without_the_vips_family_says_so(error: OSError, words: str) -> None:
    assert vip_requests.problem(error, 6).startswith(words)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection refused"),
        (TimeoutError("timed out"), "no answer in time"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to it"),
    ],
)
def test_the_vip_is_asked_until_it_does_not_answer(
    cause: OSError, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With requests as it is, down to where it would open a connection."""
    tried: list[object] = []

    def connect(address: object, *words: object, **more: object) -> None:
        tried.append(address)
        raise cause

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    (response,) = vip_requests.ask(Spoiled().snapshot.clusters[0])
    assert (response.status, response.problem) == (None, words)
    assert response.url == "http://172.16.12.254:80/"
    assert tried == [("172.16.12.254", 80)]


def test_the_vip_is_asked_without_a_proxy_and_each_time_as_a_new_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[requests.PreparedRequest] = []

    def send(
        self: object, request: requests.PreparedRequest, proxies: Any = None, **more: Any
    ) -> requests.Response:
        assert not proxies
        assert (more["verify"], more["timeout"]) == (False, (1, 2))
        asked.append(request)
        answer = requests.Response()
        answer.status_code, answer.raw = 302, io.BytesIO(b"b\xc3\xbc\xff")
        answer.request, answer.headers["Location"] = request, "/elsewhere"
        return answer

    monkeypatch.setenv("http_proxy", "http://172.16.0.1:3128")
    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", send)
    responses = vip_requests.ask(Spoiled().snapshot.clusters[0])
    assert len(responses) == len(asked) == VIP_REQUESTS
    assert {(one.status, one.body) for one in responses} == {(302, "b\u00fc\ufffd")}
    assert {request.headers["Connection"] for request in asked} == {"close"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EOFError(), "sudo wants a password, and nobody is here to type it: set _sudo_password"),
        (OSError("Socket is closed"), "it stopped answering: Socket is closed"),
        (RuntimeError(), "it stopped answering: RuntimeError"),
    ],
)
def test_whatever_goes_wrong_with_a_machine_is_named(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*of: object, **how: object) -> None:
        raise error

    monkeypatch.setattr(gather, "get_fact", fails)
    nobody: Any = SimpleNamespace()
    assert gather._fact(nobody, nobody, None, 1.0) == ("", said)
