"""What a drill sees of a routed cluster's nodes and routers, and what it makes of a stranger."""

from __future__ import annotations

import os
import subprocess
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills.control.routed import routed_control, routed_faults
from drills.control.routed.routed_control import RoutedControl

READY = "serves\nnginx\nbird\ntandem-watch\nhttp=200\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (READY, ""),
        (READY.replace("serves\n", ""), "host2 does not announce the address yet"),
        (READY.replace("bird\n", ""), "host2: not ready: bird"),
        ("serves nginx http=503", "host2: not ready: bird, tandem-watch, http=200"),
    ],
)
def test_all_nodes_have_to_be_as_at_the_start(text: str, reason: str) -> None:
    assert routed_faults.unsteady({"host1": READY, "host2": text}) == reason


@pytest.mark.parametrize("handover", [True, False])
def test_connections_of_a_node_that_leaves_are_waited_for_where_they_can_end(
    handover: bool,
) -> None:
    vip = SimpleNamespace(ip=ip_address("203.0.113.80"))
    node: Any = SimpleNamespace(handover=handover, vip=vip, vip6=None)
    script = routed_faults.nginx_ended(node)
    assert ("ss -Htn" in script) is handover
    assert "pgrep" in script


YIELDS = "vip_serves4 Static master4 down 07:20:00\nvip_yields4 Static master4 up 07:20:00\n"
SILENT = YIELDS.replace(" up ", " down ")


@pytest.mark.parametrize(
    ("handover", "shown", "said"),
    [
        (True, SILENT, "it announces the address no more"),
        (False, YIELDS, "it announces the address behind all others, if at all"),
        (False, SILENT, "it announces the address behind all others, if at all"),
        (True, YIELDS, "it still announces the address"),
        (False, YIELDS.replace("down", "up"), "it still announces the address"),
    ],
)
def test_a_drain_has_bitten_when_the_node_is_as_drained_as_it_can_be(
    tmp_path: Path, handover: bool, shown: str, said: str
) -> None:
    """Without the second chance no node hears that another serves, and it stays behind them."""
    node: Any = SimpleNamespace(handover=handover)
    sign = routed_faults.drained(node).sign
    assert sign
    (tmp_path / "birdcl").write_text(f"#!/bin/sh\necho '{shown}'\n")
    (tmp_path / "birdcl").chmod(0o755)
    script = sign.after.replace("seq 100", "seq 1")
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True)
    assert done.stdout.strip() == said
    assert (done.returncode == 0) is ("still" not in said)


def control(hops: dict[str, set[str]], calls: dict[str, str] | None = None) -> Any:
    """One whose routers have these next hops, and whose stranger met with that."""
    nodes = [
        SimpleNamespace(name=f"host{n}", address=f"10.1.0.1{n}", address6=None, asn=65010)
        for n in (1, 2)
    ]
    for node in nodes:
        node.vip = SimpleNamespace(ip="192.0.2.80", version=4)
        node.routers_of = lambda version: [SimpleNamespace(address=name) for name in hops]
    lab = SimpleNamespace(
        router_at=lambda address: address,
        next_hops=lambda router, vip: hops[router],
        connect=lambda *given: None,
        ask_router=lambda router, question: "192.0.2.80/32 via 10.1.0.250" if calls else "",
    )
    made: Any = RoutedControl.__new__(RoutedControl)
    vars(made).update(
        lab_here=lab,
        cluster=SimpleNamespace(nodes=nodes, vip=nodes[0].vip, preferred=nodes[0]),
        machines=SimpleNamespace(everywhere=lambda script: {"host1": "", "host2": ""}),
        sights=[],
        problems=[],
        _children=[],
        _events=[],
        reference_at=None,
        undo_log=SimpleNamespace(note=lambda *given: SimpleNamespace(from_at=0.0, to_at=None)),
    )
    return made


def test_it_is_waited_for_every_route_of_every_router() -> None:
    every = {"10.1.0.11", "10.1.0.12"}
    states = {"host1": READY, "host2": READY}
    made = control({"router1": every, "router2": {"10.1.0.11"}})
    assert made._not_as_before(states) == "router2 has no route by host2 yet"
    assert control({"router1": every, "router2": every})._not_as_before(states) == ""


def test_each_router_is_asked_once_however_many_nodes_there_are() -> None:
    asked: list[str] = []
    made = control({"router1": set(), "router2": set()})
    every = {str(node.address) for node in made.cluster.nodes}

    def next_hops(router: str, vip: object) -> set[str]:
        asked.append(router)
        return every

    made.lab_here.next_hops = next_hops
    assert made._not_as_before({"host1": READY, "host2": READY}) == ""
    assert asked == ["router1", "router2"]


def test_a_deploy_of_more_machines_may_take_longer() -> None:
    limits: list[float] = []
    made = control({})
    run = lambda *words, timeout_s: limits.append(timeout_s)  # noqa: E731
    made.commands, made.say, made._note = SimpleNamespace(run=run), print, made.undo_log.note
    for count in (2, 8):
        made.cluster.nodes = made.cluster.nodes[:1] * count
        made.command("deploy.py")
    assert limits[1] - limits[0] >= 6 * 60.0


def test_a_node_is_passed_over_once_no_router_sends_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routed_control, "PASSED_OVER_S", 0.1)
    made = control({"router1": {"10.1.0.12"}, "router2": {"10.1.0.12"}})
    made.passed_over(made.cluster.nodes[0])
    made.passed_over(made.cluster.nodes[1])
    bit, not_bit = made.sights
    assert bit.bit and bit.text == "no router sends to it any more"
    assert not not_bit.bit and not_bit.text == "router1, router2 still sends to it"


@pytest.mark.parametrize(
    ("outcome", "bit", "problems"),
    [
        ("refused", True, []),
        ("closed, with NOTIFICATION 2.5", True, []),
        ("unheard", False, []),
        (
            "established",
            True,
            ["10.1.0.1 has taken a stranger's session", "router1 has a route of the stranger's"],
        ),
    ],
)
def test_a_strangers_session_must_not_be_taken_nor_its_route(
    outcome: str, bit: bool, problems: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = SimpleNamespace(
        said={"pid": 1}, mac="", called=lambda: {"10.1.0.1": outcome}, stop=lambda: None
    )
    monkeypatch.setattr(routed_control, "BgpStrangerProcess", lambda spec: stranger)
    taken = {"10.1.0.1": outcome} if outcome == "established" else None
    made = control({"router1": set()}, taken)
    made.call_by_bgp(["10.1.0.1"], "10.1.0.250/24")
    assert [sight.bit for sight in made.sights] == [bit]
    assert made.problems == problems
