"""What a connection begins with where proxies in front speak PROXY protocol: before TLS and HTTP,
once for each connection, by every client that comes through the VIP."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from socket import SHUT_RDWR, create_connection, create_server, socket
from threading import Thread
from typing import Any

import pytest

import settings
from drills.clients.client_process import ClientSpec
from drills.clients.flood_clients import FloodSpec
from drills.clients.idle_clients import IdleSpec
from drills.clients.prober import ProberSpec
from drills.clients.slow_clients import SlowSpec
from drills.outcomes import RequestOutcome
from lab.gateway import authority
from settings.serving.front_settings import FOR_ITSELF
from tests.unit.drills.loopback import client
from tests.unit.drills.test_long_lived_clients import PAGE, SPEC, load
from tests.unit.settings.test_settings import inventory
from verify.observe import http_probes, vip_requests

OPENING = FOR_ITSELF.encode()


@contextmanager
def speaking(tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server on loopback that closes what does not begin so; its port, and what came first on
    each connection."""
    first: list[bytes] = []

    def serve(connection: socket) -> None:
        connection.settimeout(5)
        with connection:
            begun = connection.recv(len(OPENING))
            first.append(begun)
            if begun != OPENING:
                return
            with tls.wrap_socket(connection, server_side=True) if tls else connection as spoken:
                while (asked := spoken.recv(4096)) and b"PROXY" not in asked:
                    if asked.endswith(b"\r\n\r\n"):
                        spoken.sendall(PAGE)
                        if b"Connection: close" in asked:
                            break

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=_quietly, args=(connection,), daemon=True).start()

    def _quietly(connection: socket) -> None:
        with suppress(OSError):
            serve(connection)

    with create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], first
        listener.shutdown(SHUT_RDWR)
        thread.join(3)


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    pair = authority.issue(tmp_path, ["127.0.0.1"])
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.certificate, pair.key)
    return made


def said_by(module: str, spec: ClientSpec) -> list[Any]:
    process = client(module, spec)
    assert process.stdout is not None and process.stdin is not None
    said = [json.loads(line) for line in process.stdout]
    process.stdin.close()
    assert process.wait(10) == 0
    return said


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("opening", [FOR_ITSELF, ""])
def test_the_prober_begins_each_connection_with_it(
    over_tls: bool, opening: str, context: ssl.SSLContext
) -> None:
    with speaking(context if over_tls else None) as (port, first):
        spec = ProberSpec("127.0.0.1", port, 50, 0.3, SPEC.pages, tls=over_tls, opening=opening)
        rows = [row for row in said_by("prober", spec) if isinstance(row, list)]
    outcomes = {RequestOutcome(row[4]) for row in rows}
    assert (outcomes == {RequestOutcome.OK}) == bool(opening), outcomes
    assert (set(first) == {OPENING}) == bool(opening)


@pytest.mark.parametrize("over_tls", [False, True])
def test_long_lived_clients_begin_with_it_once(over_tls: bool, context: ssl.SSLContext) -> None:
    with speaking(context if over_tls else None) as (port, first):
        spec = replace(SPEC, port=port, tls=over_tls, silence_s=0.3, opening=FOR_ITSELF)
        found = load(spec, 0.5)
    assert first and set(first) == {OPENING}
    kept = [one for one in found if one.kind == "keep-alive"]
    assert kept and all(one.requests > 2 and not one.cut for one in kept), kept


def test_crowds_begin_with_it_once() -> None:
    with speaking() as (port, first):
        idle = IdleSpec("127.0.0.1", port, connections=20, hold_s=0.3, opening=FOR_ITSELF)
        said = {key: value for line in said_by("idle_clients", idle) for key, value in line.items()}
        assert (said["answered"], said["closed"]) == (20, 0)
        slow = SlowSpec("127.0.0.1", port, connections=5, hold_s=1.5, opening=FOR_ITSELF)
        said_by("slow_clients", slow)
        flood = FloodSpec("127.0.0.1", port, 50, 5, 0.5, opening=FOR_ITSELF)
        (done,) = [line for line in said_by("flood_clients", flood) if "answered" in line]
        assert done["answered"], done
    assert len(first) == 30 and set(first) == {OPENING}


@pytest.mark.parametrize("over_tls", [False, True])
def test_the_verifier_asks_the_vip_so_from_here(
    over_tls: bool, context: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"proxy_protocol": True, "trusted_proxies": ["10.0.0.5"]}
    if over_tls:
        pair = authority.issue(tmp_path, ["172.16.12.254"])
        given |= {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    (cluster,) = settings.load(inventory(**given))
    with speaking(context if over_tls else None) as (port, first):
        monkeypatch.setattr(
            "urllib3.util.connection.create_connection",
            lambda *_, **__: create_connection(("127.0.0.1", port), 3),
        )
        answers = vip_requests.ask(cluster)
    assert {(one.status, one.problem) for one in answers} == {(200, "")}, answers
    assert len(first) == len(answers) and set(first) == {OPENING}


def test_machines_ask_the_vip_so_and_one_another_without() -> None:
    given: dict[str, Any] = {"proxy_protocol": True, "trusted_proxies": ["10.0.0.5"]}
    for more, asked_so in ((given, ["page:vip"]), ({}, [])):
        (cluster,) = settings.load(inventory(**more))
        probes = http_probes.requests(cluster.nodes[0], cluster).probes
        found = [probe.name for probe in probes if "--haproxy-protocol" in probe.command]
        assert found == asked_so
