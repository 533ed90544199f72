"""What drills of the network need, and how what they do is known to who watches."""

from __future__ import annotations

from ipaddress import ip_interface
from types import SimpleNamespace
from typing import Any

import pytest

from drills.conduct import drill_needs
from drills.control import faults
from drills.control.fault_injection import UNHEARD_S, FaultInjection
from drills.control.faults import Fault
from drills.control.holder_monitor import HolderMonitor
from drills.control.lab_injection import PAUSED, LabInjection
from drills.results import Budget
from drills.scenarios.catalogue import BY_NAME, DRILLS, GROUPS
from drills.scenarios.network_drills import NETWORK, OVERLOAD
from drills.scenarios.scenario import Drill
from tests.support.samples import DEFAULT, RECIPE

# The holder's own address, interface, machine or nginx goes: who downloads from it is cut.
HOLDER_FAILS = {
    *("own-address-lost", "own-address-back", "address-late-at-boot", "interface-down-up"),
    *("interface-recreated", "vm-pause", "inotify-exhausted", "vrrp-link-cut"),
}
# The stranger's machine resets connections that it does not know.
STRANGER = {"vip-taken-by-stranger"}
HOLDER_STAYS = {
    *("standby-address-lost", "standby-interface-down", "rules-flushed", "resolver-dead"),
    *("firewall-without-vrrp", "ipv6-lost", "slow-clients", "request-flood"),
}


def test_every_need_of_a_drill_is_known() -> None:
    assert {need for drill in DRILLS for need in drill.all_needs} <= set(drill_needs._NEEDS)


def test_the_drills_of_the_network_are_faults_and_have_groups_of_their_own() -> None:
    assert GROUPS["network"] == tuple(drill.name for drill in NETWORK)
    assert GROUPS["overload"] == tuple(drill.name for drill in OVERLOAD)
    assert {*GROUPS["network"], *GROUPS["overload"]} < set(GROUPS["all"])
    assert not {*GROUPS["network"]} & {*GROUPS["changes"], *GROUPS["quick"], *GROUPS["crowds"]}


def test_every_drill_says_whether_its_holder_fails() -> None:
    new = {drill.name for drill in (*NETWORK, *OVERLOAD)}
    assert new == HOLDER_FAILS | STRANGER | HOLDER_STAYS
    assert not HOLDER_FAILS & HOLDER_STAYS


@pytest.mark.parametrize("name", sorted(HOLDER_STAYS))
def test_what_is_no_failure_of_the_holder_cuts_nothing_and_moves_nothing(name: str) -> None:
    """With connections and downloads all the while, in the recipe's own profile, too."""
    for drill in (BY_NAME[name], BY_NAME[name].fitted(RECIPE)):
        assert drill.long_lived
        assert drill.budget == Budget(lost=0, moves=0, failed=0, cut=0, reconnected=0)
        assert drill.ceiling(200).lost == 0


@pytest.mark.parametrize("drill", [*NETWORK, *OVERLOAD], ids=lambda drill: drill.name)
def test_there_is_one_holder_while_it_lasts_and_its_cost_is_limited(drill: Drill) -> None:
    assert drill.one_holder and drill.steady_s <= 2.0
    budget = drill.budget
    assert budget.seconds is not None or (budget.lost, budget.moves) == (0, 0)
    assert drill.fitted(RECIPE).one_holder


def test_the_recipe_notices_a_dead_nginx_by_its_checks_and_then_waits_for_silence() -> None:
    """Nobody starts that nginx again: two checks that are 2 s apart, and 3.6 s."""
    drill = BY_NAME["inotify-exhausted"].fitted(RECIPE)
    assert drill.budget.seconds == drill.budget.one_holder_s == 8.61
    assert BY_NAME["inotify-exhausted"].fitted(DEFAULT).budget.seconds == 1.4


def control(*, lab: bool = True, fails: str = "", address6: str = "", vips: Any = ()) -> Any:
    nodes = [SimpleNamespace(name=name, address6=address6) for name in ("host1", "host2")]
    machines = SimpleNamespace(
        names=("host1", "host2"), ask=lambda name, script: (int(name == fails), "")
    )
    holder = SimpleNamespace(vip=SimpleNamespace(version=4))
    return SimpleNamespace(
        machines=machines,
        lab_here=object() if lab else None,
        holder=holder,
        cluster=SimpleNamespace(nodes=nodes, addresses=[ip_interface(vip) for vip in vips]),
    )


@pytest.mark.parametrize(
    ("name", "lab", "fails", "reason"),
    [
        ("address-late-at-boot", False, "", "this can only be done in the lab"),
        ("address-late-at-boot", True, "host2", "host2: this is done with systemd"),
        ("address-late-at-boot", True, "", ""),
        ("rules-flushed", True, "host1", "host1: the hand-over has no tables"),
        ("firewall-without-vrrp", False, "host2", "there is no nft on host2: install nftables"),
        ("firewall-without-vrrp", True, "host2", ""),
        ("own-address-lost", False, "host1", ""),
    ],
)
def test_all_that_a_drill_needs_has_to_be_there(
    name: str, lab: bool, fails: str, reason: str
) -> None:
    assert drill_needs.missing(BY_NAME[name], control(lab=lab, fails=fails)) == reason


@pytest.mark.parametrize("vips", [(), ("10.0.0.9/24",), ("10.0.0.9/24", "fd61::9/64")])
@pytest.mark.parametrize("address6", ["", "fd61::1"])
def test_ipv6_can_only_be_lost_where_there_is_some(vips: Any, address6: str) -> None:
    missing = drill_needs.missing(BY_NAME["ipv6-lost"], control(address6=address6, vips=vips))
    assert bool(missing) is not (len(vips) == 2 and bool(address6))
    assert not missing or "set vip6 and address6" in missing


def test_a_machine_that_cannot_be_reached_is_waited_for_and_undoes_it_in_time() -> None:
    """It says what it has seen once it can be reached again."""
    asked: list[tuple[str, float]] = []

    def run(name: str, script: str, timeout_s: float = 10.0) -> str:
        asked.append((script, timeout_s))
        return "at=100.0\nbit=yes it is gone\nat=100.5\n"

    made: Any = FaultInjection.__new__(FaultInjection)
    applied = SimpleNamespace(from_at=0.0, to_at=None)
    vars(made).update(
        machines=SimpleNamespace(run=run),
        monitor=SimpleNamespace(moment=lambda name, at, here: at),
        steady_s=1.0,
        longest_s=0.0,
        sights=[],
        reference_at=None,
        _note=lambda *given: applied,
        by_machine=lambda fault, node: (None, None),
    )
    fault = Fault("gone", "gone", "take", "give", lasts_s=4, rescue_s=8)
    assert made._inject(fault, SimpleNamespace(name="host2")) == ""
    ((script, timeout_s),) = asked
    assert "sleep 8;" in script and timeout_s == 8 + UNHEARD_S
    assert (applied.from_at, applied.to_at) == (100.0, 104.5)
    assert [sight.text for sight in made.sights] == ["it is gone"]
    # What was away itself answers late: its own clock's times count, not the answer's.
    applied.from_at = 0.0
    made.monitor = SimpleNamespace(moment=lambda name, at, here: here)
    made._inject(fault, SimpleNamespace(name="host2"))
    assert (applied.from_at, applied.to_at) == (0.0, 4.5)
    asked.pop()
    made._inject(faults.NGINX_FROZEN, SimpleNamespace(name="host2"))
    assert asked[1][1] == 10.0 and "sleep 63;" in asked[1][0]


@pytest.mark.parametrize("holds", [True, False])
def test_a_machine_that_stands_still_holds_nothing_until_it_goes_on(holds: bool) -> None:
    nodes = [
        SimpleNamespace(name=name, interface="eth0", vip=SimpleNamespace(ip="10.0.0.9"))
        for name in ("host1", "host2")
    ]
    machines: Any = SimpleNamespace(
        cluster=SimpleNamespace(nodes=nodes, vip=SimpleNamespace(ip="10.0.0.9")),
        names=("host1", "host2"),
        ask=lambda name, script: (int(not holds), ""),
    )
    watched = HolderMonitor(machines, same_clock=True)
    did: list[str] = []
    twin = SimpleNamespace(pause=lambda name: did.append(f"pause {name}"), is_paused=lambda n: True)
    made: Any = LabInjection.__new__(LabInjection)
    noted: dict[str, Any] = {}

    def by_lab(fault: Fault, node: Any, verb: str, undo: Any) -> Any:
        noted.update(fault=fault, verb=verb, undo=undo)
        return SimpleNamespace(from_at=0.0)

    vars(made).update(
        machines=machines,
        monitor=watched,
        lab_here=SimpleNamespace(twin=twin, switch=lambda verb, name: did.append(f"{verb} {name}")),
        sights=[],
        reference_at=None,
        _by_lab=by_lab,
    )
    made.pause(nodes[0])
    noted["undo"]()
    assert did == ["pause host1", "resume host1"]
    assert (noted["fault"], noted["verb"]) == (PAUSED, "resume")
    held = [held for _, held in watched._records["host1"]]
    assert held == ([False, True] if holds else [])
    assert made.sights[0].bit
