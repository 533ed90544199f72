"""What the watch asks the network, and tells it, about addresses; no machines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.bare_kernels.wires import VIP, Wires


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Wires]:
    with Wires(2, tmp_path) as wires:
        yield wires


def test_the_watch_on_a_node_that_carries_does_not_ask_itself(pair: Wires, tmp_path: Path) -> None:
    watch = programs.placed("watch/watch", tmp_path)
    ask = (
        f"import sys; sys.path[:0] = ['{watch}']; import watch.premises.neighbour_discovery as m; "
        f"print(m.is_local('{VIP}'), "
        f"m.held_elsewhere('{VIP}', '10.61.0.12', 'eth0', 0.5))"
    )
    kept = pair.connect()
    kept.ask()
    pair.move(1, 2)
    assert pair.at(1, sys.executable, "-c", ask).split() == ["True", "True"]
    pair.take(2)
    assert pair.at(1, sys.executable, "-c", ask).split() == ["True", "False"]
    pair.give(2)


@pytest.mark.parametrize("own", ["10.61.0.11", "fd61:9::11"], ids=["IPv4", "IPv6"])
def test_a_node_puts_right_what_another_has_learnt_of_its_address(
    pair: Wires, tmp_path: Path, own: str
) -> None:
    """Of a stranger, or of the card before: adverts to that MAC would not be heard."""
    watch = programs.placed("watch/watch", tmp_path)
    said = (
        f"import sys; sys.path[:0] = ['{watch}']; import watch.premises.neighbour_discovery as m; "
        f"m.OwnAddresses('eth0').announce('{own}')"
    )
    wrong = "02:de:ad:00:00:01"
    pair.ip(2, "neighbour", "replace", own, "lladdr", wrong, "nud", "reachable", "dev", "eth0")
    pair.at(1, sys.executable, "-c", said)
    pair.until(lambda: wrong not in pair.ip(2, "neighbour", "show", "to", own))
    assert "lladdr" in pair.ip(2, "neighbour", "show", "to", own)
