"""preempt = False: the VIP stays, in keepalived's files, in turns and in switch-overs."""

from __future__ import annotations

import os
import re
import subprocess
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import settings
from controller import rendering
from settings import Refused
from settings.run_options import RunOptions
from tasks.change import turn_moves, turns
from tasks.change.vip_move_plan import NodeStatus, VipMove, plan_move
from tests.support import fakes
from tests.support.snapshots import DEFAULT, Spoiled, bad

VIP = "172.16.12.254"
MORE = {"more_vips": {"172.16.12.253/16": "host2"}}


def cluster(nodes: int = 2, **given: Any) -> settings.Cluster:
    hosts = {
        f"host{number}": {
            "ssh_hostname": f"172.16.12.6{number}",
            "priority": 110 - number,
            "page": f"page {number}",
        }
        for number in range(1, nodes + 1)
    }
    return settings.load(fakes.inventory(hosts, **{"preempt": False} | given))[0]


def rendered(template: str, **given: Any) -> str:
    here = cluster(**given)
    values = {"node": here.preferred, "cluster": here, "realtime": True, "hooks": ()}
    return rendering.render(template, speakers="/x", **values)


def test_the_holder_is_worth_more_than_any_place_and_less_than_any_fault() -> None:
    text = rendered("keepalived/fast.conf.j2")
    assert "nopreempt" not in re.sub("!.*", "", text) and re.search(r"priority +252\n", text)
    weights = dict(re.findall(r"(?:track_file|vrrp_script) (\w+) \{[^}]*?weight +(-?\d+)", text))
    assert weights == {
        "nginx_failed": "0",
        "last_resort": "-8",
        "holder_1": "2",
        "chk_failed": "-8",
        "chk_schedown": "-4",
    }
    assert re.search(r"track_file \{\s+nginx_failed\s+last_resort\s+holder_1\s+\}", text)


def test_each_vip_has_a_file_of_its_own_that_notify_writes() -> None:
    text = rendered("keepalived/fast.conf.j2", **MORE)
    assert re.findall(r"^        holder_\d", text, re.M) == ["        holder_1", "        holder_2"]
    assert 'file      "/run/tandem/holder.172.16.12.253"' in text
    assert "--holder /run/tandem/holder \\" in rendered("keepalived/notify.sh.j2")
    for template in ("keepalived/systemd-unit.conf.j2", "sysv/keepalived.j2"):
        unit = rendered(template, **MORE)
        assert "/run/tandem/holder\n" in re.sub(r"'| \|\| :", "", unit)
        assert "/run/tandem/holder.172.16.12.253" in unit


@pytest.mark.parametrize("template", ["keepalived/systemd-unit.conf.j2", "sysv/keepalived.j2"])
@pytest.mark.parametrize(
    ("state", "held", "before", "worth"),
    [
        ("master", VIP, "1", "1"),
        ("master", "", "1", "1"),  # keepalived is setting it anew in another form
        ("backup", "", "1", "0"),  # left of a time in which nobody wrote it
        ("backup", "", "0", "0"),
        ("", VIP, "", "1"),
    ],
)
def test_a_reload_says_who_holds_it(
    template: str, state: str, held: str, before: str, worth: str, tmp_path: Path
) -> None:
    for name, does in {"ip": f"echo '2: eth0 inet {held}/32'", "nft": ":"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    for name, text in {"state": state, "holder": before}.items():
        if text:
            (tmp_path / name).write_text(f"{text}\n")
    unit = rendered(template).replace("/run/tandem", "HERE").replace("/run/keepalived", "HERE")
    if template.startswith("sysv"):
        unit = unit.replace("/usr/lib/tandem/running-state", ":").replace("/usr/sbin/nft", "nft")
        script = re.sub(r">/proc/sys/\S+", ">/dev/null", unit) + "\ntandem_begins reloaded\n"
    else:
        script = "\n".join(re.findall(r"^ExecReload=-/bin/sh -c '(.*)'$", unit, re.M))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", script.replace("HERE", str(tmp_path))], env=environment, check=True)
    assert (tmp_path / "holder").read_text() == f"{worth}\n"


def test_where_it_comes_back_nothing_of_it_is_there() -> None:
    for template in (
        *("keepalived/fast.conf.j2", "keepalived/notify.sh.j2"),
        *("keepalived/systemd-unit.conf.j2", "sysv/keepalived.j2"),
    ):
        assert "holder" not in re.sub(r"[!#].*", "", rendered(template, preempt=True)), template


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"vrrp_version": 2}, "the recipe's profile always preempts: give True"),
        ({"nodes": 32}, "32 nodes are too many for it"),
        ({"checks": {"a": {"command": "/x", "weight": 21}}}, "2 nodes have room for"),
        ({"preempt": "perhaps"}, "give True or False"),
    ],
)
def test_what_it_does_not_go_with_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        cluster(**given)
    assert said in str(caught.value)


def moved(holder: int, **given: Any) -> int:
    here, names = cluster(3), {number: f"host{number}" for number in (1, 2, 3)}
    ranks = {node.name: {VIP: here.priority(node)} for node in here.nodes}
    return turn_moves.count(
        here,
        {names[number]: [VIP] if number == holder else [] for number in (3, 2, 1)},
        [names[number] for number in given.get("away", ())],
        [names[number] for number in given.get("interrupted", ())],
        [names[number] for number in given.get("changed", ())],
        ranks,
    )


def test_a_turn_gives_it_away_and_does_not_take_it_back() -> None:
    everyone = (1, 2, 3)
    assert moved(1) == moved(2) == moved(2, changed=everyone) == 0
    assert moved(2, interrupted=(1, 3)) == 0
    assert moved(1, interrupted=everyone) == 1
    assert moved(2, interrupted=everyone) == 2, "to the first, which then has its own turn"
    assert moved(3, interrupted=(3,), away=(1,)) == 1


def planned(before: dict[str, NodeStatus], **asked: str) -> VipMove:
    return plan_move(cluster(len(before)), before, RunOptions.model_validate(asked))


def well(*vips: str, **more: Any) -> NodeStatus:
    return NodeStatus(holds=frozenset(vips), trouble="", **more)


def test_to_drains_the_others_until_it_has_come() -> None:
    plan = planned({"host1": well(), "host2": well(VIP), "host3": well()}, to="host1")
    assert plan.holders == {VIP: "host1"} and plan.moves == 1
    assert plan.begins == plan.for_now == {"host2", "host3"} and not plan.ends
    # A person's drain is none of it.
    plan = planned({"host1": well(), "host2": well(VIP), "host3": well(drained=True)}, to="host1")
    assert plan.begins == plan.for_now == {"host2"}
    assert plan.drained["host3"]
    # One that an earlier switch-over has left ends with it.
    aside = well(drained=True, aside=True)
    assert planned({"host1": aside, "host2": well(VIP)}, to="host2").for_now == {"host1"}


def test_a_drain_moves_what_is_there_and_its_end_moves_nothing() -> None:
    plan = planned({"host1": well(VIP), "host2": well(), "host3": well()}, drain="host1")
    assert plan.holders == {VIP: "host2"} and plan.begins == {"host1"} and not plan.for_now
    elsewhere = planned({"host1": well(), "host2": well(VIP), "host3": well()}, drain="host1")
    assert elsewhere.holders == {VIP: "host2"} and elsewhere.moves == 0
    back = planned({"host1": well(drained=True), "host2": well(VIP)}, undrain="host1")
    assert back.ends == {"host1"} and back.holders == {VIP: "host2"} and back.moves == 0
    with pytest.raises(Refused):
        planned({"host1": well(VIP), "host2": NodeStatus()}, drain="host1")


def snapshot(holder: str, raised: int) -> Spoiled:
    """The pair as it would be; `holder` has the VIP, and its priority is `raised` by so much."""
    spoiled = Spoiled(DEFAULT)
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["preempt"] = False
    for host, base in (("host1", 252), ("host2", 251)):
        more = raised if host == holder else 0
        spoiled.vrrp_twice(host, base_priority=base, effective_priority=base + more)
        spoiled.replace(
            host, "keepalived_conf", f"priority           {base + 2}", f"priority {base}"
        )
    return spoiled


def test_the_verifier_knows_what_the_holder_is_worth() -> None:
    assert bad(snapshot("host1", 2).judge()) == set()
    assert "KA-05" in bad(snapshot("host1", 0).judge()), "the VIP would not stay"
    assert "KA-05" in bad(snapshot("host2", 2).judge()), "a standby must not have it"


def test_a_snapshot_of_an_earlier_version_has_a_vip_that_comes_back() -> None:
    older = Spoiled(DEFAULT)
    for node in older.data["clusters"][0]["nodes"]:
        node.pop("preempt", None)
    assert bad(older.judge()) == set()


def test_the_node_that_is_preferred_is_not_waited_for() -> None:
    here = cluster()
    assert turns._preferring(here.preferred, here) == []
    assert turns._preferring(here.preferred, cluster(preempt=True)) == [VIP]


@pytest.mark.parametrize(("holder", "expected"), [(1, [3, 2, 1]), (2, [3, 1, 2]), (3, [2, 1, 3])])
def test_whoever_has_it_has_its_turn_last(holder: int, expected: list[int]) -> None:
    here = cluster(3)
    machines: Any = {
        node.name: SimpleNamespace(
            peers=(), reachable={ip_address(VIP)} if place == holder else set()
        )
        for place, node in enumerate(here.nodes, start=1)
    }
    order = [here.nodes.index(node) + 1 for node in turns.order(here, machines)]
    assert order == expected
    assert turns.order(cluster(3, preempt=True), machines)[-1].name == "host1"
