"""Where VIPs, or VRRP, are on several interfaces: a drill breaks the one that it is about."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

import settings
from drills.conduct import drill_needs
from drills.control import lab_control, lab_injection
from drills.control.lab_injection import LabInjection
from drills.control.undo_journal import UndoRecord, Way, addresses_of, machines_of
from drills.scenarios import failures, network_failures
from drills.scenarios.catalogue import BY_NAME
from settings import Cluster, Node
from tests.support import fakes
from tests.support.drilling.drill_world import HOSTS

FIRST, SECOND = "172.16.12.254", "10.20.0.254"


@cache
def cluster(vrrp: str | None = None) -> Cluster:
    """A VIP on eth0 and one on eth1; VRRP on the interface that is given."""
    hosts = {
        name: {**its, "more_interfaces": {"eth1": f"10.20.0.6{number}"}, "vrrp_interface": vrrp}
        for number, (name, its) in enumerate(HOSTS.items(), start=1)
    }
    (found,) = settings.load(fakes.inventory(hosts, more_vips={f"{SECOND}/24": "host2"}))
    return found


class Injection(LabInjection):
    """It notes what it would do to the lab, and how that is undone."""

    def __init__(self, view: Cluster):
        self.cluster = view
        self.did: list[tuple[str, ...]] = []
        self.records: list[UndoRecord] = []
        self.keeping = ()
        twin = SimpleNamespace(
            unplug=lambda *words: self.did.append(("unplug", *words)),
            take_card=lambda *words: self.did.append(("take-card", *words)),
            machine=lambda name: None,
        )
        undone: Any = SimpleNamespace(
            twin=twin, switch=lambda *words: self.did.append(words), outside=lambda *words: []
        )
        self.lab_here = undone

    @property
    def holder(self) -> Node:
        return self.cluster.preferred

    def _note(self, fault: Any, node: Any, undo: Any = None, record: Any = None) -> Any:
        self.records.append(record)
        self.undo = undo
        return SimpleNamespace(from_at=0.0)

    def _began(self, applied: Any, moment: float) -> None: ...


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    made: list[list[str]] = []

    def guard(command: list[str], keeping: object) -> Any:
        made.append(command)
        return SimpleNamespace(dismiss=lambda: None)

    monkeypatch.setattr(lab_injection, "Guard", guard)
    return made


@pytest.mark.parametrize(
    ("place", "host", "interface"), [(0, "host1", "eth0"), (1, "host2", "eth1")]
)
def test_the_cable_that_is_pulled_is_the_vips_and_is_put_back(
    place: int, host: str, interface: str, guards: list[list[str]]
) -> None:
    made = Injection(cluster().vips[place])
    made.unplug(made.holder)
    made.undo()
    assert made.did == [("unplug", host, interface), ("plug", host, interface)]
    (record,) = made.records
    assert (record.way, record.words) == (Way.LAB, ("plug", host, interface))
    assert record.by_hand == f"lab plug {host} {interface}"
    # Should this process die, another one types the same.
    assert guards == [lab_control.command("plug", host, interface)]


def test_the_card_that_is_taken_out_is_the_vips(guards: list[list[str]]) -> None:
    made = Injection(cluster().vips[1])
    made.take_card(made.holder)
    made.undo()
    assert made.did == [("take-card", "host2", "eth1"), ("give-card", "host2", "eth1")]


def scripted(view: Cluster) -> tuple[Any, list[tuple[str, ...]]]:
    did: list[tuple[str, ...]] = []
    control = SimpleNamespace(
        cluster=view,
        holder=view.preferred,
        timing=SimpleNamespace(advert_s=0.05),
        unplug=lambda node, interface="": did.append((node.name, interface or node.interface)),
        look_at_cable=lambda node, interface="": did.append(("seen", interface or node.interface)),
        watch=lambda: None,
        wait=lambda seconds: None,
        drop_adverts=lambda fault, *nodes: did.append((fault.do,)),
        rogue=lambda seconds: None,
        count_adverts=lambda what, *nodes: None,
    )
    return control, did


def test_where_vrrp_has_a_network_of_its_own_either_cable_can_be_cut() -> None:
    control, did = scripted(cluster("eth1"))
    failures.link_cut(control)
    network_failures.vrrp_cut(control)
    assert did == [("host1", "eth0"), ("seen", "eth0"), ("host1", "eth1"), ("seen", "eth1")]


@pytest.mark.parametrize(
    ("vrrp", "reason"), [("eth1", ""), (None, "VRRP is spoken on"), ("eth0", "VRRP")]
)
def test_vrrps_cable_is_cut_only_where_it_is_another_one(vrrp: str | None, reason: str) -> None:
    control: Any = SimpleNamespace(cluster=cluster(vrrp), lab_here=object())
    assert drill_needs.missing(BY_NAME["vrrp-link-cut"], control).startswith(reason)
    assert bool(drill_needs.missing(BY_NAME["vrrp-link-cut"], control)) == bool(reason)


def test_the_machines_own_adverts_are_no_strangers_wherever_they_are_spoken() -> None:
    control, did = scripted(cluster("eth1"))
    failures.rogue(control)
    ((rules,),) = did
    assert "{ 10.20.0.61, 10.20.0.62 }" in rules


def test_a_machine_is_known_by_each_of_its_addresses() -> None:
    """What a drill of one VIP has noted, a run that begins with another one finds."""
    found = machines_of([cluster()])
    assert found == {
        **{"172.16.12.61": "host1", "10.20.0.61": "host1"},
        **{"172.16.12.62": "host2", "10.20.0.62": "host2"},
    }
    assert machines_of([cluster().vips[1]]) == found
    assert addresses_of([cluster()]) == [FIRST, SECOND, *found]
