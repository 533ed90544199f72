"""Where the VIP stays (preempt = False), a drill itself brings it back to where it was."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills.control import faults
from drills.control.waiting import ClusterObserver


def control(stays: bool, asked: list[str]) -> Any:
    nodes = [
        SimpleNamespace(name=f"host{n}", interface="eth0", vip=SimpleNamespace(ip="1.2.3.4"))
        for n in (1, 2)
    ]
    reasons = iter(["host1: not ready: nginx", "host1 does not hold the address yet", ""])
    here: Any = SimpleNamespace(
        cluster=SimpleNamespace(stays=stays, nodes=nodes),
        machines=SimpleNamespace(ask=lambda name, script: asked.append(name)),
        say=lambda text: None,
        _unsteady=lambda: next(reasons),
    )
    here._bring_home = lambda: ClusterObserver._bring_home(here)
    return here


@pytest.mark.parametrize(("stays", "drained"), [(True, ["host2"]), (False, [])])
def test_only_the_place_of_the_address_is_put_right(stays: bool, drained: list[str]) -> None:
    asked: list[str] = []
    assert ClusterObserver.settle(control(stays, asked)) == ""
    assert asked == drained


@pytest.mark.parametrize("leaves", [True, False])
def test_the_drain_ends_whatever_comes_of_it(leaves: bool, tmp_path: Path) -> None:
    node: Any = SimpleNamespace(interface="lo", vip=SimpleNamespace(ip="1.2.3.4"))
    drain, looks = tmp_path / "drain", tmp_path / "looks"
    script = faults.give_away(node).replace("/run/tandem/drain", str(drain)).replace("0.1", "0.01")
    # It has it when it is first looked, and later only if it does not leave.
    has = f"{{ echo >>{looks}; [ $(wc -l <{looks}) -lt {5 if leaves else 500} ]; }}"
    script = script.replace(faults.holds(node), has)
    subprocess.run(["sh", "-c", script], check=True)
    assert not drain.exists()
    assert len(looks.read_text().splitlines()) == (5 if leaves else 61)
