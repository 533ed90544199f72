"""How often a client may begin a connection, where nodes give each other what they do not take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import Cluster
from tests.support.bare_kernels.spread_wires import SOURCES, VIP, VIP6, SpreadWires

BEAT_FORGOTTEN_S = 0.8


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[SpreadWires]:
    """Three nodes, at each of which a client may begin one connection a second, five at once."""
    with SpreadWires(3, tmp_path, client_limits={"new_connections_per_s": 1}) as wires:
        for place in wires.places:  # who has connected while they were built does not count
            for family in ("ip", "ip6"):
                wires.at(place, "nft", f"flush set {family} tandem_clients connecting")
        yield wires


def tables(wires: SpreadWires) -> list[str]:
    found = wires.at(1, "nft", "list", "tables")
    return [line for line in found.splitlines() if "tandem_clients" in line]


def test_it_is_loaded_and_again_if_flushed_and_goes_with_the_setting(limited: SpreadWires) -> None:
    both = ["table ip tandem_clients", "table ip6 tandem_clients"]
    limited.until(lambda: tables(limited) == both)
    limited.at(1, "nft", "flush", "ruleset")
    limited.until(lambda: tables(limited) == both, 20)
    limited.end(1, "handover")
    assert tables(limited) == both, "who stops it, as for an update, lets nobody by"
    free = (each.model_copy(update={"client_limits": None}) for each in limited.cluster.nodes)
    limited.cluster = Cluster(name=limited.cluster.name, nodes=tuple(free))
    limited.start_program(1)
    limited.until(lambda: tables(limited) == [], 20)


def connecting_s(wires: SpreadWires, address: str) -> float:
    began_s = time.monotonic()
    wires.connect(address)
    return time.monotonic() - began_s


@pytest.mark.parametrize("address", [VIP, VIP6], ids=["IPv4", "IPv6"])
def test_a_new_connection_is_counted_once_by_the_node_that_takes_it(
    limited: SpreadWires, address: str
) -> None:
    """As its client's, where it was given on as well; and no segment of one that lives is."""
    family, client = ("ip6", "fd63:9::") if ":" in address else ("ip", SOURCES[0])

    def counts(place: int) -> bool:
        return client in limited.at(place, "nft", f"list set {family} tandem_clients connecting")

    limited.spread([1])
    talk = limited.connect(address)
    assert talk.ask() == "node1"
    limited.spread([2])
    assert talk.ask() == "node1"
    assert not counts(2) and not counts(3)
    limited.serves(2, False)
    limited.stop(2, "echo80")
    time.sleep(BEAT_FORGOTTEN_S)
    assert limited.connect(address).ask() == "node3"
    assert counts(3)
    assert not counts(2), "it was counted twice"
    # Five at once; what is more has to be sent again, after a second.
    assert any(connecting_s(limited, address) > 0.9 for _ in range(12))
