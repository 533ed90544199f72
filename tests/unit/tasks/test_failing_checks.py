"""Where checks of a person's own fail, a planned move knows who takes the VIP."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from settings.run_options import RunOptions
from tasks.change import vip_move
from tasks.change.vip_move_plan import VipMove, plan_move
from tasks.keepalived import priorities
from tests.unit.tasks.test_vip_move import VIP, WELL, cluster, moves


@pytest.mark.parametrize(
    "given", [{}, {"vrrp_version": 2, "maintenance_weight": -60, "nginx_weight": -20}]
)
def test_who_takes_over_is_known_where_an_own_check_with_a_weight_fails(
    given: dict[str, Any],
) -> None:
    checks = {"a": {"command": "/x", "weight": 1}, "b": {"command": "/x", "weight": 2}}
    here = cluster(3, checks=checks, **given)
    weight = {check.name: -here.check_weight(check) for check in here.preferred.checks}
    maintenance = -(here.preferred.maintenance_weight if given else here.weights.maintenance)

    def plan(lost: tuple[int, int, int], drained: int = 0, **asked: str) -> VipMove:
        before = {
            f"host{place}": replace(WELL, lost={"VI_1": by}, drained=place == drained)
            for place, by in enumerate(lost, start=1)
        }
        return plan_move(here, before, RunOptions.model_validate(asked))

    assert moves(plan((0, 0, 0), drain="host1"))[2] == "host2"
    assert moves(plan((0, weight["a"], 0), drain="host1")) == ({"host1"}, set(), "host3")
    assert moves(plan((0, weight["b"], weight["a"]), drain="host1"))[2] == "host3"
    assert moves(plan((0, weight["a"], weight["b"]), drain="host1"))[2] == "host2"
    # A drain that is over has taken its own part.
    assert moves(plan((maintenance, 0, 0), 1, undrain="host1"))[2] == "host1"
    assert moves(plan((maintenance + weight["a"], 0, 0), 1, undrain="host1"))[2] == "host2"
    # Whoever is asked for holds it all the same.
    assert moves(plan((0, weight["a"], 0), to="host2")) == ({"host1", "host3"}, set(), "host2")


def test_the_holders_own_bonus_is_no_failure() -> None:
    checks = {"a": {"command": "/x", "weight": 1}}
    here = cluster(3, checks=checks, preempt=False)
    bonus, weight = here.weights.holder, -here.check_weight(here.preferred.checks[0])
    holder = replace(WELL, holds=frozenset({VIP}), lost={"VI_1": weight - bonus})
    before = {"host1": WELL, "host2": holder, "host3": replace(WELL, lost={"VI_1": weight})}
    plan = plan_move(here, before, RunOptions.model_validate({"drain": "host2"}))
    assert plan.holders == {VIP: "host1"}
    before["host1"] = replace(WELL, lost={"VI_1": weight})
    asked = RunOptions.model_validate({"undrain": "host3"})
    assert plan_move(here, before, asked).holders == {VIP: "host2"}, "all fail alike: it stays"


def test_keepaliveds_priorities_are_read_from_what_it_writes(tmp_path: Path) -> None:
    found = [("VI_1", 254, 250), ("VI_2", 253, 255)]
    keys = ("iname", "base_priority", "effective_priority")
    text = json.dumps([{"data": dict(zip(keys, each, strict=True))} for each in found])
    state = tmp_path / "keepalived.json"
    for name, does in {
        "keepalived": "echo USR1",
        "kill": f"echo '{text}' >{state}",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    pid, comm = tmp_path / "pid", tmp_path / "7"
    comm.mkdir()
    pid.write_text("7\n")
    (comm / "comm").write_text("keepalived\n")
    shell = priorities.SHOW_LOST.replace("/run/keepalived.pid", str(pid))
    shell = shell.replace("/run/keepalived", str(tmp_path)).replace("/proc", str(tmp_path))
    shell = shell.replace("kill -s", f"{tmp_path}/kill -s")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = ["sh", "-c", shell]
    done = subprocess.run(run, capture_output=True, text=True, env=environment)
    status = vip_move.NodeStatusFact().process([*done.stdout.splitlines(), "seen"])
    assert status.lost == {"VI_1": 4, "VI_2": -2}
    (comm / "comm").write_text("sshd\n")  # the number is another's by now
    done = subprocess.run(run, capture_output=True, text=True, env=environment)
    assert done.stdout == ""
