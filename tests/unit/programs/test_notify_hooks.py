"""What notify.sh has run: hooks in their order, each within its time, none stopping another."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

import settings
from controller import rendering
from settings.programs.hook_files import Hook
from tests.support import fakes, programs
from tests.unit.programs.test_notify import Machine

hook_runs = programs.load("notify.hook_runs")
SAYS = 'echo "ran $(basename "$0") $* $TANDEM_HOST $TANDEM_VIP $TANDEM_OLD_STATE" >>"$LOG"'


def with_hooks(directory: Path, timeout_s: int = 10, **texts: str) -> Machine:
    """A machine with hooks by their name, "/" written as "__"."""
    found = []
    for name, text in texts.items():
        found.append(Hook(name.replace("__", ".d/"), b""))
        path = directory / "hooks" / found[-1].name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    machine = Machine(directory, hooks=found, hook_timeout_s=timeout_s)
    text = machine.script.read_text()
    machine.script.write_text(text.replace("/etc/tandem/hooks", str(directory / "hooks")))
    return machine


def test_each_change_runs_its_own_in_the_order_of_their_names(tmp_path: Path) -> None:
    machine = with_hooks(
        tmp_path, master__20=SAYS, master__10=SAYS, backup__5=SAYS, fault__1=SAYS, drain__1=SAYS
    )
    machine.call("backup")
    assert machine.said("hook backup.d/5: exit 0", 1)
    machine.call("master")
    expected = [
        "ran 5 backup 172.16.12.254 @fake/host1 172.16.12.254 start",
        "ran 10 master 172.16.12.254 @fake/host1 172.16.12.254 backup",
        "ran 20 master 172.16.12.254 @fake/host1 172.16.12.254 backup",
    ]
    assert machine.said("^ran ", 3) == expected
    lines = machine.said("hook .*exit 0 after 0", 3)
    assert [line.split()[4] for line in lines] == ["backup.d/5:", "master.d/10:", "master.d/20:"]


def test_those_of_another_vip_are_told_of_it(tmp_path: Path) -> None:
    machine = with_hooks(tmp_path, fault__a=SAYS)
    machine.call("fault 172.16.12.253")
    (said,) = machine.said("^ran ", 1)
    assert said == "ran a fault 172.16.12.253 @fake/host1 172.16.12.253 start"


def test_a_drain_is_no_state(tmp_path: Path) -> None:
    machine = with_hooks(tmp_path, drain__a=SAYS, master__a="true")
    machine.call("master")
    machine.call("drain")
    assert machine.said("^ran ", 1) == [
        "ran a drain 172.16.12.254 @fake/host1 172.16.12.254 master"
    ]
    assert machine.state == "master"
    assert len(machine.said("^mail: ", 1)) == 1


def test_one_that_fails_stops_nothing_and_says_its_last_word(tmp_path: Path) -> None:
    machine = with_hooks(
        tmp_path,
        master__1="echo first >&2; echo 'curl: (22) 401' >&2; exit 22",
        master__2="kill -9 $$",
        master__3=SAYS,
    )
    machine.call("master")
    assert machine.said("^ran 3", 1)
    assert machine.said(r"master\.d/1: exit 22 after [0-9.]+ s: curl: \(22\) 401$", 1)
    assert machine.said(r"master\.d/2: ended by signal 9 after", 1)
    assert len(machine.said("^mail: ", 1)) == 1


def test_one_that_takes_too_long_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    machine = with_hooks(
        tmp_path, 3, master__1="(sleep 5; echo alive >>$LOG) & sleep 20", master__2=SAYS
    )
    began = time.monotonic()
    machine.call("master")
    assert time.monotonic() - began < 2.9, "nobody waits for it"
    assert machine.said("^ran 2", 1)
    assert machine.said(r"master\.d/1: killed after 3 s", 1)
    time.sleep(2.5)
    assert not machine.said("alive", 0)


def test_what_a_later_change_has_undone_is_not_run(tmp_path: Path) -> None:
    """Neither behind a slow one, nor where whoever ran them was killed."""
    machine = with_hooks(
        tmp_path, master__1=f"{SAYS}; sleep 1", master__2=SAYS, backup__1=SAYS, drain__1=SAYS
    )
    machine.call("master")
    assert machine.said("^ran 1 master", 1)
    machine.call("drain")
    machine.call("backup")
    assert machine.said("^ran 1 backup", 1)
    assert machine.said("^ran ", 3)[1:] == [
        "ran 1 drain 172.16.12.254 @fake/host1 172.16.12.254 master",
        "ran 1 backup 172.16.12.254 @fake/host1 172.16.12.254 master",
    ]
    assert machine.said(r"hook master\.d/2: not run for master: it is backup since$", 1)
    # What a worker that was killed has left, and what another VIP has.
    left = machine.run / "notify" / "hooks"
    (left / "1,1,master,,backup").touch()
    (left / "1,2,fault,172.16.12.253,master").touch()
    machine.call("drain")
    assert len(machine.said("^ran 1 drain", 2)) == 2
    assert len(machine.said(r"master\.d/.: not run", 3)) == 3
    assert not machine.said("^ran .* master .* backup$", 0)


def test_one_that_heard_another_master_has_those_of_master_run_again(tmp_path: Path) -> None:
    machine = with_hooks(tmp_path, master__1=SAYS, backup__1=SAYS)
    machine.call("backup")
    machine.call("master")
    assert machine.said("^ran 1 master", 1)
    machine.call(*["contested"] * 8, "contested 172.16.12.253")
    ran = machine.said("^ran 1 master", 2)
    assert ran[1:] == ["ran 1 master 172.16.12.254 @fake/host1 172.16.12.254 master"]
    time.sleep(2.5)
    assert len(machine.said("^ran 1 master", 2)) == 2, "once for all of them"
    assert len(machine.said(" -> ", 2)) == len(machine.said("^mail: ", 2)) == 2
    machine.call("contested")
    assert len(machine.said("^ran 1 master", 3)) == 3
    machine.call("contested")
    machine.call("backup")
    assert machine.said("hook master.d/1: not run for master: it is backup since", 1)


def test_where_nothing_is_done_about_another_master_nothing_is_begun(tmp_path: Path) -> None:
    machine = with_hooks(tmp_path, backup__1=SAYS)
    machine.call("master")
    entered = machine.run / "notify" / "calls"
    before = entered.stat().st_mtime_ns
    machine.call("contested")
    assert entered.stat().st_mtime_ns == before


@pytest.mark.parametrize("version", [2, 3])
def test_keepalived_calls_for_it_in_both_profiles(version: int) -> None:
    (cluster,) = settings.load(
        fakes.inventory(vrrp_version=version, more_vips={"172.16.12.253/16": "@fake/host2"})
    )
    name = "classic" if version == 2 else "fast"
    text = rendering.render(
        f"keepalived/{name}.conf.j2", node=cluster.preferred, cluster=cluster, realtime=True
    )
    call = 'notify_master_rx_lower_pri "/etc/keepalived/notify.sh contested'
    assert [line.strip() for line in text.splitlines() if "rx_lower_pri" in line] == [
        f'{call}"',
        f'{call} 172.16.12.253"',
    ]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("sleep 30 & echo started >&2", 0, "started"),  # what it leaves holds stderr open
        ("exec 2>&-; sleep 0.1; exit 3", 3, ""),
        ("yes long | head -c 300000 >&2; echo end >&2", 0, "end"),
    ],
)
def test_how_a_hook_ends(text: str, code: int, said: str, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\n{text}\n")
    hook.chmod(0o755)
    done = hook_runs.run_hook(str(hook), ("master", "1.2.3.4"), {}, 25.0)
    assert (done.code, done.said) == (code, said)
    assert done.duration_s < 20


def test_one_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text("#!/no/such/interpreter\n")
    hook.chmod(0o755)
    done = hook_runs.run_hook(str(hook), (), {}, 5.0)
    assert re.match(r"exit 127 after \d\.\d+ s", done.text(5.0))
    assert "No such file" in done.text(5.0)
