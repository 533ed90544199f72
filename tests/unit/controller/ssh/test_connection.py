"""A connection that ends when the other side is silent; both ends are in this process."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace

import paramiko
import pytest
from paramiko.common import MSG_GLOBAL_REQUEST

from controller.ssh import connection


class Machine(paramiko.ServerInterface):
    def check_auth_none(self, username: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Both ends of a connection within this process."""
    monkeypatch.setattr(connection, "ASK_EVERY_S", 0.2)
    ours, theirs = socket.socketpair()
    server = paramiko.Transport(theirs)
    server.add_server_key(paramiko.ECDSAKey.generate())
    server.start_server(event=Event(), server=Machine())
    client = connection.WatchedTransport(ours)
    client.start_client(timeout=10)
    client.auth_none("root")
    yield SimpleNamespace(client=client, server=server)
    client.close()
    server.close()


def test_a_machine_that_answers_may_have_nothing_to_say(pair: SimpleNamespace) -> None:
    time.sleep(1.5)
    assert pair.client.is_active()


def test_a_machine_that_is_silent_ends_the_connection_and_whoever_waits_for_it(
    pair: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pair.server._handler_table, MSG_GLOBAL_REQUEST, lambda message: None)
    began = time.monotonic()
    while pair.client.is_active() and time.monotonic() - began < 10:
        time.sleep(0.05)
    assert not pair.client.is_active()
    assert time.monotonic() - began < 5
    assert isinstance(pair.client.saved_exception, connection.SilentMachine)


def test_a_keepalive_of_ssh_config_does_not_replace_it(pair: SimpleNamespace) -> None:
    asked = []
    pair.server._handler_table = dict(pair.server._handler_table)
    pair.server._handler_table[MSG_GLOBAL_REQUEST] = lambda message: asked.append(message)
    pair.client.set_keepalive(3600)
    time.sleep(0.6)
    assert asked


def test_a_clock_that_is_set_back_hides_no_silence(
    pair: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pair.server._handler_table, MSG_GLOBAL_REQUEST, lambda message: None)
    now = time.time
    monkeypatch.setattr("paramiko.packet.time.time", lambda: now() - 3600)
    began = time.monotonic()
    while pair.client.is_active() and time.monotonic() - began < 5:
        time.sleep(0.05)
    assert isinstance(pair.client.saved_exception, connection.SilentMachine)


def test_a_machine_that_hangs_before_it_says_anything_is_told_as_such(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Its kernel accepts the connection; nobody answers. Nor is a traceback printed for it."""
    ours, theirs = socket.socketpair()
    client = connection.WatchedTransport(ours)
    with pytest.raises(paramiko.SSHException, match="does the machine hang"):
        client.start_client(timeout=0.3)
    client.join(5)
    theirs.close()
    assert "Traceback" not in capfd.readouterr().err


def test_the_longest_silence_is_below_half_a_minute() -> None:
    assert connection.SILENCE_S < 30
