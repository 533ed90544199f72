"""Each kind of cluster has its own drills, and is named only those."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills import options
from drills.conduct import drill_needs
from drills.conduct.runner import Runner
from drills.control.cluster_control import ClusterControl
from drills.control.routed.routed_control import RoutedControl
from drills.scenarios import catalogues
from drills.scenarios.catalogues import ROUTED, VRRP
from drills.scenarios.routed import routed_steps
from tests.unit.controller.test_preflight import pyinfra

CLUSTER: Any = SimpleNamespace(routed=False)
ROUTED_CLUSTER: Any = SimpleNamespace(routed=True)
INVENTORY = """
web = (
    [
        ("host1", {"ssh_hostname": "10.1.0.11", "page": "one"}),
        ("host2", {"ssh_hostname": "10.1.0.12", "page": "two"}),
    ],
    {
        "spread": "bgp",
        "vip": "203.0.113.80/32",
        "asn": 65010,
        "routers": [{"address": "10.1.0.1", "asn": 64512}],
    },
)
"""


def test_a_name_is_looked_for_among_the_drills_of_the_clusters_that_are_there() -> None:
    assert catalogues.of_each([CLUSTER]) == (VRRP,)
    assert catalogues.of_each([ROUTED_CLUSTER, ROUTED_CLUSTER]) == (ROUTED,)
    assert catalogues.of_each([ROUTED_CLUSTER, CLUSTER]) == (VRRP, ROUTED)
    assert catalogues.of_each([]) == (VRRP,)
    (mistake,) = options.mistakes("partition,link-cut", "", "", (ROUTED,))
    assert (mistake.value, "no such drill" in mistake.remedy) == ("partition", True)
    assert options.mistakes("partition,bird-stop", "", "", (VRRP, ROUTED)) == []


def test_a_group_and_a_name_mean_each_clusters_own() -> None:
    (crash,) = options.chosen("nginx-crash", ROUTED)
    assert crash in ROUTED.drills and crash not in VRRP.drills
    assert options.chosen("partition", ROUTED) == ()
    both = options.chosen_for("nginx-crash", [CLUSTER, ROUTED_CLUSTER])
    assert both == (VRRP.by_name["nginx-crash"], crash)
    assert len(options.chosen("all,changes", ROUTED)) == len(ROUTED.drills)


def test_what_the_issue_asks_for_is_there() -> None:
    named = {
        *("nginx-crash", "nginx-freeze", "power-off", "link-cut", "link-back", "router-restart"),
        *("drain", "node-leaves", "node-joins", "rolling-deploy", "reload", "upgrade"),
        *("bird-stop", "bird-crash", "watch-crash", "rogue-announcement"),
    }
    assert named == set(ROUTED.by_name)
    assert all(drill.long_lived for drill in ROUTED.drills)
    assert ROUTED.by_name["nginx-crash"].budget.seconds == 0.05
    assert ROUTED.by_name["power-off"].budget.seconds == 0.20
    for name in ROUTED.groups["changes"]:
        budget = ROUTED.by_name[name].budget
        assert (budget.lost, budget.failed, budget.cut) == (0, 0, 0)


def test_a_routed_inventory_lists_its_own_drills(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.py"
    inventory.write_text(INVENTORY)
    done = pyinfra(inventory, "drill.py")
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ROUTED.by_name)
    assert "keepalived-stop" not in done.stdout
    assert "two routers" in done.stdout


@pytest.mark.parametrize(("routers", "reason"), [(1, True), (2, False)])
def test_the_only_router_is_not_restarted(routers: int, reason: bool) -> None:
    node = SimpleNamespace(vip=SimpleNamespace(version=4), routers_of=lambda family: (1,) * routers)
    control: Any = SimpleNamespace(lab_here=object(), cluster=SimpleNamespace(nodes=(node, node)))
    said = drill_needs.missing(ROUTED.by_name["router-restart"], control)
    assert bool(said) is reason


def test_the_runner_takes_the_control_of_its_cluster() -> None:
    for routed in (False, True):
        runner: Any = Runner.__new__(Runner)
        vars(runner).update(
            cluster=SimpleNamespace(routed=routed),
            _machines=SimpleNamespace(cluster=None),
            _lab=None,
            _commands=None,
            _options=None,
            _timing=None,
            _journal=None,
            _progress=SimpleNamespace(step=print),
        )
        drill: Any = SimpleNamespace(name="x", steady_s=1.0, theory=lambda timing: None)
        control = runner._control(drill)
        assert isinstance(control, ClusterControl)
        assert isinstance(control, RoutedControl) is routed


def test_a_stranger_has_an_address_that_nobody_has() -> None:
    routers = (SimpleNamespace(address="10.1.0.254"),)
    nodes = [SimpleNamespace(name="host1", address="10.1.0.253", routers=routers)]
    control: Any = SimpleNamespace(
        holder=nodes[0],
        cluster=SimpleNamespace(nodes=nodes),
        lab=SimpleNamespace(own_prefix=lambda name: 24),
    )
    assert routed_steps.stranger_address(control) == "10.1.0.252/24"
