"""Machines of a routed cluster that leave it, and those that have left it and do not know."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

import settings
from controller import all_hosts
from tasks.change.removal_plan import BeforeRemoval, BeforeRemovalFact, Leaving
from tasks.handover import second_chance
from tasks.machine import survey
from tasks.machine.others import former_members
from tests.support import fakes
from tests.unit.tasks.routed.test_routed_drains import ROUTED, cluster

SERVES = BeforeRemoval(deployed=True, recorded=True, announces=True)
IDLE = BeforeRemoval(deployed=True, recorded=True)


def leaving(*found: BeforeRemoval | None) -> Leaving:
    here = cluster(len(found))
    named = {f"host{n}": each for n, each in enumerate(found, start=1)}
    return Leaving(here, {name: each for name, each in named.items() if each})


def test_all_are_drained_but_the_last_that_serves() -> None:
    every = leaving(SERVES, IDLE, SERVES)
    assert [node.name for node in every.order] == ["host2", "host3", "host1"]
    assert every.drains == 1
    assert every.moves == 0
    assert leaving(SERVES, None).drains == 0, "nobody else serves"
    heard = BeforeRemoval(
        deployed=True, recorded=True, announces=True, answering=frozenset({"172.16.12.62"})
    )
    assert leaving(heard, None).drains == 1


def test_who_announces_is_told_apart() -> None:
    fact = BeforeRemovalFact()
    assert fact.process(["ours", "announces vip_serves4", "session router_1"]).announces
    for said in (["announces vip_serves4"], ["announces vip_yields4", "session router_1"], []):
        assert not fact.process(["ours", *said]).announces


def test_whom_the_hand_over_gives_segments_is_known_of_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one which the inventory names no more is noticed."""
    here = cluster()
    unit = tmp_path / "unit"
    unit.write_text(f"ExecStart={second_chance.command(here.nodes[0], here)}\n")
    monkeypatch.setattr(survey, "HANDOVER_UNIT", str(unit))
    command = next(
        each for each in survey.Survey().command().split("; echo @; ") if "unicast_peer" in each
    )
    shell = command.replace(survey.KEEPALIVED_CONF, str(tmp_path / "none"))
    told = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    machine = survey.parse_survey(fakes.survey(peers=told.split()))
    assert machine.peers == {"172.16.12.62", "172.16.12.63"}


def test_who_was_taken_out_and_serves_on_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts = {f"host{n}": {"ssh_hostname": f"172.16.12.6{n}", "page": "x"} for n in (1, 2)}
    inventory = fakes.inventory(hosts, ROUTED)
    (here,) = settings.load(inventory)
    assert here.routed
    monkeypatch.setattr(all_hosts, "get_facts", lambda *given: {"host1": ["172.16.12.63"]})
    state = SimpleNamespace(inventory=inventory)
    peers = {"host1": frozenset({"172.16.12.63"}), "host2": frozenset[str]()}
    (mistake,) = former_members.found(state, peers)  # type: ignore[arg-type]
    assert "172.16.12.63" in str(mistake) and "teardown.py --limit" in str(mistake)
    assert "disable --now bird nginx" in str(mistake)
