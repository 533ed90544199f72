"""The mesh is kept as it was made, and what that costs: two nodes, between bare kernels."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bare_kernels.spread_wires import SpreadWires

SLOW_S = 1.2  # a command of the program's, as behind a busy lock of the kernel's


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpreadWires]:
    with SpreadWires(2, tmp_path_factory.mktemp("pair")) as wires:
        yield wires


def shown(wires: SpreadWires) -> str:
    link = wires.ip(1, "-o", "link", "show", "dev", "tandem")
    return link + wires.at(1, "bridge", "fdb", "show", "dev", "tandem")


def way(wires: SpreadWires) -> str:
    """How node 1's kernel says where node 2 is."""
    found = [line for line in shown(wires).splitlines() if "dst 10.61.0.12" in line]
    assert len(found) == 1
    return found[0].split()[0]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (("ip", "link", "set", "tandem", "mtu", 1400), "mtu 1400"),
        (("bridge", "fdb", "del", "{way}", "dev", "tandem", "dst", "10.61.0.12"), ""),
        (("bridge", "fdb", "replace", "{way}", "dev", "tandem", "dst", "10.61.0.9"), "10.61.0.9"),
        (
            ("bridge", "fdb", "add", "02:74:0a:3d:00:63", "dev", "tandem", "dst", "10.61.0.99"),
            "10.61.0.99",
        ),
        (("ip", "link", "set", "tandem", "down"), "state DOWN"),
    ],
    ids=["MTU", "way", "wrong way", "stranger", "down"],
)
def test_what_somebody_changed_is_as_it_was_made_again(
    pair: SpreadWires, change: tuple[object, ...], wrong: str
) -> None:
    before = shown(pair)
    card = way(pair)
    pair.at(1, *(str(word).format(way=card) for word in change))
    pair.until(lambda: shown(pair) == before, 6)
    assert not wrong or wrong not in before
    pair.until(lambda: pair.hears(1, 2) and pair.hears(2, 1))


def test_its_packets_are_as_large_as_the_networks_when_these_change(pair: SpreadWires) -> None:
    for mtu in (1450, 1500):
        pair.ip(1, "link", "set", "eth0", "mtu", mtu)
        pair.until(lambda mtu=mtu: f" mtu {mtu} " in shown(pair), 6)


def slowly(wires: SpreadWires, directory: Path, seconds: float) -> Path:
    """Start node 1's program anew, whose commands each take so long; where they are counted."""
    counted = directory / "counted"
    for name in ("ip", "nft", "bridge"):
        script = directory / name
        real = shutil.which(name)
        script.write_text(
            f'#!/bin/sh\necho {name} >>{counted}\nsleep {seconds}\nexec {real} "$@"\n'
        )
        script.chmod(0o755)
    wires.end(1, "handover")
    path = f"PATH={directory}:{os.environ['PATH']}"
    wires.start(1, "handover", ["env", path, *wires.program(1)])
    return counted


def test_a_node_is_heard_while_its_commands_take_their_time(
    pair: SpreadWires, tmp_path: Path
) -> None:
    counted = slowly(pair, tmp_path, SLOW_S)
    try:
        # It makes the interface anew, and is not heard before it has said where node 2 is.
        pair.until(lambda: counted.exists() and "bridge" in counted.read_text(), 30)
        pair.until(lambda: pair.hears(2, 1), 30)
        deadline_s = time.monotonic() + 4 * SLOW_S
        while time.monotonic() < deadline_s:
            assert pair.hears(2, 1)
            time.sleep(0.05)
    finally:
        pair.end(1, "handover")
        pair.start_program(1)


def test_what_others_change_all_the_time_costs_no_more_than_a_few_rounds(
    pair: SpreadWires, tmp_path: Path
) -> None:
    counted = slowly(pair, tmp_path, 0)
    try:
        pair.until(lambda: pair.hears(2, 1), 30)
        time.sleep(1)
        before = len(counted.read_text().splitlines())
        its = "10.61.9.9/32 dev lo"
        churn = f"ip address add {its}; ip address del {its}; nft add table ip drill"
        # Each of them is one of the kernel's notices.
        busy = f"end=$(($(date +%s)+4)); while [ $(date +%s) -lt $end ]; do {churn}; done"
        subprocess.run(
            ["ip", "netns", "exec", pair.netns(1), "sh", "-c", busy], check=True, timeout=60
        )
        rounds = 4 / 0.2
        # Two addresses, four looks at the mesh and the tables.
        assert len(counted.read_text().splitlines()) - before < 8 * rounds
    finally:
        pair.at(1, "nft", "delete", "table", "ip", "drill", check=False)
        pair.end(1, "handover")
        pair.start_program(1)
