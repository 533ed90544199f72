"""The drills' clients connect from as many addresses as they are given, in turn."""

from __future__ import annotations

import json
from collections import Counter
from socket import socket
from typing import Any

import pytest

import settings
from drills.clients.long_lived import LongLivedSpec
from drills.clients.prober import ProberSpec
from drills.control import long_lived_load
from drills.control.lab_control import LabControl
from tests.support import fakes
from tests.support.drilling.drill_world import HOSTS
from tests.unit.drills import loopback

SOURCES = tuple(f"127.0.0.{number}" for number in range(32, 64))
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\npage one\n"


def test_requests_come_from_each_address_as_often() -> None:
    seen: Counter[str] = Counter()

    def answer(connection: socket, number: int) -> bool:
        seen[connection.getpeername()[0]] += 1
        connection.sendall(GOOD)
        return False

    with loopback.server(answer) as port:
        spec = ProberSpec("127.0.0.1", port, 200, 60, {"page one": "host1"}, sources=SOURCES)
        with loopback.client("prober", spec) as prober:
            assert prober.stdout is not None
            while "[0.4" not in prober.stdout.readline():
                pass
            prober.communicate("\n", timeout=10)
    assert set(seen) == set(SOURCES)
    assert max(seen.values()) - min(seen.values()) <= 1


def test_connections_that_are_kept_come_from_all_of_them() -> None:
    seen: set[str] = set()

    def answer(connection: socket, number: int) -> bool:
        seen.add(connection.getpeername()[0])
        connection.sendall(GOOD.replace(b"close", b"keep-alive"))
        return True

    with loopback.server(answer) as port:
        spec = LongLivedSpec(
            address="127.0.0.1",
            port=port,
            sources=SOURCES,
            pages={"page one": "host1"},
            path="/none",
            longest_s=20,
            keep_alives=32,
            downloads=0,
        )
        with loopback.client("long_lived", spec) as load:
            assert load.stdout is not None
            while "ready" not in load.stdout.readline():
                pass
            rows, _ = load.communicate(timeout=20)
    assert seen == set(SOURCES)
    assert json.loads(rows.splitlines()[-1])["done"] >= 32


@pytest.mark.parametrize("routed", [False, True])
def test_a_routed_cluster_gets_more_clients_from_the_probers_addresses(routed: bool) -> None:
    router = {"address": "172.16.12.1", "asn": 64512}
    more: dict[str, Any] = {"spread": "bgp", "asn": 65010, "vip": "198.51.100.80/32"}
    given = more | {"routers": [router]} if routed else {}
    (cluster,) = settings.load(fakes.inventory(HOSTS, **given))
    prober = ProberSpec(str(cluster.vip.ip), 80, 200, 60, {}, sources=SOURCES)
    spec = long_lived_load.load_spec(cluster, prober)
    assert (spec.keep_alives, spec.downloads) == ((50, 20) if routed else (20, 10))
    assert spec.sources == SOURCES


def test_the_lab_says_which_addresses_clients_have() -> None:
    class Plan:
        class client_network:
            sources = ("198.18.0.32", "2001:2::20", "198.18.0.33")

    class Twin:
        plan = Plan

    lab: Any = Twin
    assert LabControl(lab).sources(4) == ("198.18.0.32", "198.18.0.33")
    assert LabControl(lab).sources(6) == ("2001:2::20",)
    Plan.client_network = None  # type: ignore[assignment, misc]
    assert LabControl(lab).sources(4) == ()
