"""A planned move is refused where it would leave nobody, and otherwise drains just what it must."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import settings
from controller import rendering, run_changes
from settings import Refused
from settings.run_options import RunOptions
from tasks import keepalived
from tasks.change import vip_move
from tasks.change.vip_move_plan import NodeStatus, VipMove, plan_move
from tasks.keepalived import vips
from tasks.machine import service_state
from tests.support import fakes

VIP = "172.16.12.254"
WELL = NodeStatus(holds=frozenset(), drained=False, trouble="")
DOWN = NodeStatus(holds=frozenset(), drained=True, trouble="")
ASIDE = NodeStatus(holds=frozenset(), drained=True, trouble="", aside=True)
DEAD = NodeStatus(holds=frozenset(), drained=False, trouble="nginx does not answer there")


def cluster(nodes: int = 2, **group: Any) -> settings.Cluster:
    hosts: dict[str, dict[str, Any]] = {
        f"host{number}": {
            "ssh_hostname": f"172.16.12.6{number}",
            "priority": 110 - number,
            "page": f"page {number}",
        }
        for number in range(1, nodes + 1)
    }
    (found,) = settings.load(fakes.inventory(hosts, **group))
    return found


def planned(before: tuple[NodeStatus, ...], **asked: str) -> VipMove:
    standings = {f"host{place}": standing for place, standing in enumerate(before, start=1)}
    return plan_move(cluster(len(before)), standings, RunOptions.model_validate(asked))


def moves(plan: VipMove) -> tuple[set[str], set[str], str]:
    """Whose drain begins, whose ends, and who holds the VIP then."""
    (holder,) = plan.holders.values()
    return set(plan.begins), set(plan.ends), holder


def test_there_and_back() -> None:
    there = planned((WELL, WELL), to="host2")
    assert moves(there) == ({"host1"}, set(), "host2")
    back = planned((DOWN, WELL), to="host1")
    assert moves(back) == (set(), {"host1"}, "host1")


def test_to_a_third_machine_drains_all_that_come_before_it_and_no_other() -> None:
    plan = planned((WELL, DOWN, WELL), to="host2")
    assert moves(plan) == ({"host1"}, {"host2"}, "host2")
    assert planned((WELL, WELL, WELL), to="host3").begins == {"host1", "host2"}


def test_who_stood_back_for_another_is_in_line_again_once_the_vip_has_gone_back() -> None:
    assert moves(planned((ASIDE, ASIDE, WELL), to="host2")) == (set(), {"host2"}, "host2")
    for asked in ({"to": "host1"}, {"undrain": "host1"}):
        back = planned((ASIDE, ASIDE, WELL), **asked)
        assert moves(back) == (set(), {"host1", "host2"}, "host1")
    # A person's own drain is not.
    assert moves(planned((ASIDE, DOWN, WELL), to="host1")) == (set(), {"host1"}, "host1")
    assert planned((WELL, ASIDE, WELL), drain="host2").begins == {"host2"}


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_whoever_was_asked_for_holds_it_whatever_was_drained_before(nodes: int) -> None:
    for before in product((WELL, DOWN, DEAD), repeat=nodes):
        for place, standing in enumerate(before, start=1):
            target = f"host{place}"
            if standing is DEAD:
                with pytest.raises(Refused, match=f"{target} cannot hold the VIP now: nginx does"):
                    planned(before, to=target)
            else:
                assert planned(before, to=target).holders[VIP] == target


def test_a_drain_leaves_somebody_who_serves_or_is_refused() -> None:
    assert planned((WELL, WELL), drain="host1").holders[VIP] == "host2"
    assert planned((WELL, WELL), drain="host2").holders[VIP] == "host1"
    with pytest.raises(Refused, match="No other machine could take the VIP from host1"):
        planned((WELL, DEAD), drain="host1")
    with pytest.raises(Refused, match="host2: it is drained itself"):
        planned((WELL, DOWN), drain="host1")
    with pytest.raises(Refused, match="Nothing was changed"):
        planned((DEAD, DEAD), undrain="host1")


def test_a_machine_that_was_not_asked_counts_as_dead() -> None:
    plan = plan_move(
        cluster(3), {"host1": DOWN, "host3": WELL}, RunOptions.model_validate({"drain": "host1"})
    )
    assert plan.holders[VIP] == "host3"
    with pytest.raises(Refused, match="left out by --limit"):
        plan_move(cluster(2), {"host1": WELL}, RunOptions.model_validate({"to": "host2"}))


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ({}, "give one of to=HOST, drain=HOST, undrain=HOST"),
        ({"to": "host1", "drain": "host2"}, "give one of"),
        ({"drain": "host3"}, "no such machine; there are host1, host2"),
    ],
)
def test_what_was_mistyped_is_refused(asked: dict[str, str], remedy: str) -> None:
    (mistake,) = vip_move.mistakes(RunOptions.model_validate(asked), (cluster(),))
    assert remedy in str(mistake)


def test_what_a_machine_says_of_itself() -> None:
    read = vip_move.NodeStatusFact().process
    assert read(["holds 172.16.12.254"]) == NodeStatus(
        holds=frozenset({VIP}), drained=False, trouble=""
    )
    assert read(["rank 172.16.12.254 254"]).ranks == {VIP: 254}
    assert read(["drained", "trouble nginx does not answer there"]) == NodeStatus(
        holds=frozenset(), drained=True, trouble="nginx does not answer there"
    )


@pytest.mark.parametrize(
    ("states", "able"),
    [
        ({"state": "backup", "state.172.16.12.253": "master"}, True),
        ({"state": "fault"}, False),
        ({"state": "backup", "state.172.16.12.253": "fault"}, False),
        ({"state": "backup", "state.172.16.12.99": "fault"}, True),  # no VIP of these settings
        ({}, True),
    ],
)
def test_one_that_has_left_the_election_could_not_hold_it(
    states: dict[str, str], able: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a check of a person's own with `leave` fails, and nginx is well."""
    for name, state in states.items():
        (tmp_path / name).write_text(f"{state}\n")
    for name in ("ip", "awk", "curl", "well"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(vip_move, "NGINX_TRUSTED", "true")
    monkeypatch.setattr(service_state, "MANAGER", str(tmp_path / "well"))
    fact = vip_move.NodeStatusFact()
    here = cluster(more_vips={"172.16.12.253/16": "host2"})
    files = tuple(vrrp.state_file.replace("/run/keepalived", str(tmp_path)) for vrrp in here.vips)
    command = fact.command(vips.of(here), files, 80, False)
    done = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    trouble = fact.process(done.stdout.splitlines()).trouble
    assert ("FAULT" not in trouble and not trouble) == able, trouble


def test_what_was_drained_for_the_move_alone_is_not_left_so_where_it_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait fails, the step behind it is run all the same, and fails the run."""
    (tmp_path / "ip").write_text(f"#!/bin/sh\necho '2: eth0 inet {VIP}/32 scope host'\n")
    (tmp_path / "ip").chmod(0o755)
    down = tmp_path / "down"
    down.touch()
    here = cluster(2, preempt=False)
    before = {"host1": WELL, "host2": replace(WELL, holds=frozenset({VIP}))}
    plan = plan_move(here, before, RunOptions.model_validate({"to": "host1"}))
    assert plan.for_now == {"host2"}
    monkeypatch.setattr(vip_move, "DRAIN_FILE", str(down))
    monkeypatch.setattr(vip_move, "this_host", SimpleNamespace(name="host2"))
    monkeypatch.setattr(settings, "of", lambda host: (here.nodes[1], here))
    (command,) = vip_move.end_passing_drains._inner.__wrapped__(plan)  # type: ignore[attr-defined]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment)
    assert not down.exists()
    assert done.returncode == 1 and f"{VIP} is still on host2" in done.stderr
    (tmp_path / "ip").write_text("#!/bin/sh\n")
    assert subprocess.run(["sh", "-c", command], env=environment).returncode == 0
    waits = re.search(
        r"wait_for_vips\(.*?^    \)", inspect.getsource(vip_move.carry_out), re.M | re.S
    )
    assert waits and "_ignore_errors=bool(move and move.for_now)" in waits[0]


def test_the_order_is_that_of_what_runs_which_a_rollback_has_made_another_one() -> None:
    holder = replace(WELL, holds=frozenset({VIP}), ranks={VIP: 254})
    before = (replace(WELL, ranks={VIP: 227}), replace(WELL, ranks={VIP: 253}), holder)
    plan = planned(before, drain="host3")
    assert (moves(plan), plan.moves) == (({"host3"}, set(), "host2"), 1)
    assert planned(before, to="host2").begins == {"host3"}
    # Who does not answer is behind the others; without any that says it, the settings' order holds.
    assert planned((replace(DEAD, ranks={}), *before[1:]), drain="host3").holders[VIP] == "host2"
    assert planned((WELL, WELL, replace(holder, ranks={})), undrain="host2").moves == 1


def test_each_vips_rank_is_read_in_keepalived_conf(tmp_path: Path) -> None:
    nodes = cluster(3, more_vips={"172.16.12.253/16": "host3"})
    first = nodes.nodes[0]
    conf = tmp_path / "keepalived.conf"
    conf.write_text(
        rendering.render("keepalived/fast.conf.j2", node=first, cluster=nodes, realtime=True)
    )
    done = subprocess.run(
        ["sh", "-c", f"{vips.RANKS} {conf}"], capture_output=True, text=True, check=True
    )
    ranks = vip_move.NodeStatusFact().process(done.stdout.splitlines()).ranks
    assert ranks == {str(vrrp.vip.ip): vrrp.priority(first) for vrrp in nodes.vips}
    assert len(set(ranks.values())) == 2


@pytest.mark.parametrize("asked", [{"to": "host2"}, {"drain": "host1"}])
def test_where_a_drain_cannot_be_written_none_is_left_and_one_is_told_what_to_do(
    asked: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "down"
    full.symlink_to("/dev/full" if "to" in asked else tmp_path / "gone" / "down")
    monkeypatch.setattr(vip_move, "DRAIN_FILE", str(full))
    monkeypatch.setattr(vip_move, "this_host", SimpleNamespace(name="host1"))
    monkeypatch.setattr(run_changes, "note_step", lambda what: None)
    (command,) = vip_move.begin_drains._inner.__wrapped__(planned((WELL, WELL), **asked))  # type: ignore[attr-defined]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert "make room there, or see why it is read-only" in done.stderr
    assert not full.is_symlink(), "it would drain"


def test_hooks_of_a_drain_are_run_where_a_vip_is_given_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vip_move, "DRAIN_FILE", str(tmp_path / "down"))
    monkeypatch.setattr(run_changes, "note_step", lambda what: None)
    monkeypatch.setattr(keepalived, "TELL_DRAIN", "echo told")
    plan = planned((replace(WELL, holds=frozenset({VIP})), WELL, WELL), to="host3")
    told = {}
    for name in sorted(plan.begins):
        monkeypatch.setattr(vip_move, "this_host", SimpleNamespace(name=name))
        (command,) = vip_move.begin_drains._inner.__wrapped__(plan)  # type: ignore[attr-defined]
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        told[name] = done.stdout
    assert told == {"host1": "told\n", "host2": ""}


def test_where_a_drain_cannot_be_ended_one_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vip_move, "DRAIN_FILE", str(tmp_path))  # what rm -f does not remove
    monkeypatch.setattr(vip_move, "this_host", SimpleNamespace(name="host1"))
    monkeypatch.setattr(run_changes, "note_step", lambda what: None)
    plan = planned((DOWN, WELL), undrain="host1")
    (command,) = vip_move.end_drains._inner.__wrapped__(plan)  # type: ignore[attr-defined]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert "see why it is read-only" in done.stderr
