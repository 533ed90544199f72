"""drill.py through pyinfra's own command line, as far as it goes without a machine."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills import options
from drills.analysis import other_profile
from drills.conduct import runner
from drills.control import own_commands
from drills.control.machines import MachineError
from drills.control.own_commands import CommandLine, Commands
from drills.report import drill_files, drill_terminal
from drills.results import (
    Audit,
    Budget,
    Ceiling,
    Controller,
    DrillResult,
    DrillVerdict,
    HolderSample,
    Kind,
    LongLived,
    Measure,
    Repeat,
    Report,
    Request,
    RequestOutcome,
    Spread,
    Theory,
    from_json,
    to_json,
)
from drills.scenarios.catalogue import BY_NAME, QUICK
from tests.unit.controller.test_preflight import INVENTORY, inventory, pyinfra

__all__ = ["INVENTORY", "inventory"]

REPEAT = Repeat(
    number=1,
    started="2026-01-01T00:00:00",
    duration_s=2.0,
    requests=(
        Request(0.0, 0.0001, 0.0002, 0.001, RequestOutcome.OK, "host1"),
        Request(0.5, 0.0001, None, 0.0003, RequestOutcome.REFUSED, ""),
    ),
    holders=(HolderSample(0.0, ("host1",)), HolderSample(0.4, ("host1", "host2"))),
    faults=(),
    events=(),
    windows=(),
    lost={RequestOutcome.REFUSED: 1},
    measured_s=0.5,
    reference_s=0.3,
    detection_s=0.2,
    takeover_s=0.3,
    one_holder_s=0.1,
    moves=1,
    min_holders=1,
    max_holders=1,
    probe_lag_max_s=0.0001,
)


def report(median_s: float = 0.5, profile: str = "default") -> Report:
    result = DrillResult(
        name="nginx-crash",
        title="nginx killed",
        breaks="kill -9",
        sentence="nginx killed: no answer for 0.5 s",
        cluster="web",
        profile=profile,
        measure=Measure.OUTAGE,
        theory=Theory(0.1, 0.1, 0.1, "by arithmetic"),
        budget=Budget(seconds=0.05),
        verdict=DrillVerdict.FAILED,
        reasons=("0.500 s (median), and 0.05 s are allowed",),
        repeats=(REPEAT,),
        spread=Spread(median_s, median_s, median_s),
    )
    machine = Controller("here", 2, "6", True, 0.0, 0.0)
    return Report("now", 60.0, profile, 200, 1, machine, (), (result,), Audit(True, "It holds."))


def test_a_report_goes_to_json_and_back() -> None:
    assert from_json(to_json(report())) == report()


def test_a_report_with_what_this_version_has_no_name_for_can_be_read() -> None:
    """As one of an earlier version, to be compared with."""
    older = to_json(report()).replace(b'"name":"nginx-crash"', b'"name":"nginx-crash","more":[1]')
    assert b'"more"' in older and from_json(older) == report()


def test_samples_are_written_with_who_held_the_address(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "web-older-1.csv").touch()
    drill_files.write(report(), tmp_path)
    assert from_json((tmp_path / "drills.json").read_bytes()) == report()
    (table,) = (tmp_path / "samples").iterdir()
    assert table.name == "web-nginx-crash-1.csv"
    assert table.read_text().splitlines()[1:] == [
        "0.0,0.0001,0.0002,0.001,ok,host1,host1",
        "0.5,0.0001,,0.0003,refused,,host1+host2",
    ]


def with_long_lived_load() -> Report:
    """A planned change that has cut a download."""
    work = (
        LongLived(Kind.KEEP_ALIVE, -0.2, 1.5, 15, 4500, "", True, "host1", 4711, 0.01),
        LongLived(Kind.DOWNLOAD, -0.2, 0.45, 1, 3 << 20, "reset", False, "", 4712, 0.02),
    )
    (drill,) = report().drills
    drill = replace(drill, name="reload", repeats=(replace(REPEAT, long_lived=work),))
    return replace(report(), drills=(drill,))


def test_long_lived_work_is_data_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = with_long_lived_load()
    drill_files.write(made, tmp_path)
    assert from_json((tmp_path / "drills.json").read_bytes()) == made
    assert (tmp_path / "samples" / "web-reload-1-long-lived.csv").read_text().splitlines() == [
        "kind,from_s,to_s,requests,received_bytes,cut,reconnected,node,client_port,slowest_s,"
        "held_at_first,held_at_last",
        "keep-alive,-0.2,1.5,15,4500,,True,host1,4711,0.01,host1,host1+host2",
        "download,-0.2,0.45,1,3145728,reset,False,,4712,0.02,host1,host1+host2",
    ]
    drill_terminal.report(made, drill_terminal.console())
    said = capsys.readouterr().out
    assert "0 of 15 keep-alive requests failed (1 reconnected), 1 of 1 downloads cut" in said


def test_a_command_gets_what_the_drill_was_told_but_for_what_is_the_drills() -> None:
    told = own_commands.command_line(
        [
            *("inventory.py", "here/drill.py", "-y", "--data", "drills=upgrade", "--data=rate=50"),
            *("--data", "http_port=8080", "--data=workload=io", "--ssh-user", "me"),
        ]
    )
    assert told.of("deploy.py", "nginx_version=1.22.1")[1:] == [
        *("-m", "pyinfra", "-y", "inventory.py", "--data", "http_port=8080"),
        *("--data", "workload=io", "--ssh-user", "me", "here/deploy.py"),
        *("--data", "nginx_version=1.22.1"),
    ]


def fake_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Commands:
    program = tmp_path / "fake.py"
    program.write_text(script)
    monkeypatch.setattr(
        CommandLine, "of", lambda self, *words: [sys.executable, str(program), *words]
    )
    return Commands(CommandLine(()))


def test_a_command_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = fake_command(tmp_path, monkeypatch, "import sys; sys.exit(f'no: {sys.argv[1:]}')")
    with pytest.raises(MachineError, match=r"exit 1: no: \['deploy.py', 'a=b'\]"):
        commands.run("deploy.py", "a=b")


def test_a_command_does_not_outlive_its_drill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "pid"
    script = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    commands = fake_command(tmp_path, monkeypatch, script)
    with pytest.raises(MachineError, match="not done in 1 s"):
        commands.run("deploy.py", timeout_s=1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_two_profiles_stand_side_by_side_as_ratios(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drill_files.write(report(5.0, "classic"), tmp_path)
    against = other_profile.load(tmp_path)
    drill_terminal.report(replace(report(), against=against), drill_terminal.console())
    said = capsys.readouterr().out
    assert "classic" in said and "×10 less" in said
    assert "0.500 s (median), and 0.05 s are allowed" in said
    assert "somebody holds the address, but nginx is down there" in said
    assert "1 of 1 drill failed: nginx-crash. It took 60.0 s." in said


def test_each_column_has_one_unit_and_what_is_summed_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = report()
    (one,) = found.drills
    lost = replace(REPEAT, number=2, lost={RequestOutcome.REFUSED: 5}, slowest_s=0.25)
    one = replace(one, repeats=(REPEAT, lost), ceiling=Ceiling(0.3, 60, 0.75))
    drill_terminal.report(replace(found, drills=(one,)), drill_terminal.console())
    head, units, median, worst = (line.split() for line in capsys.readouterr().out.splitlines()[:4])
    assert head == ["theory", "outage", "lost", "slowest", "found", "taken"]
    assert units == ["drill", "s", "s", "requests", "s", "s", "s", "allowed", "verdict"]
    assert median[:7] == ["nginx-crash", "median", "0.100", "0.500", "3", "0.200", "0.300"]
    assert worst[:4] == ["worst", "0.500", "5", "0.250"]
    drill_terminal.report(replace(found, drills=(one,)), drill_terminal.console())
    assert "Requests lost in all 2 repeats together" in capsys.readouterr().out


def test_a_page_that_two_nodes_serve_does_not_name_one() -> None:
    node = SimpleNamespace
    cluster: Any = SimpleNamespace(
        nodes=(node(page="same", name="a"), node(page="same", name="b"), node(page="x", name="c"))
    )
    assert runner.pages(cluster) == {"same": "", "x": "c"}


def test_groups_and_names_mix_and_nothing_is_done_twice() -> None:
    chosen = options.chosen("reboot, quick,nginx-crash")
    assert [drill.name for drill in chosen] == ["reboot", *QUICK]
    assert len(options.chosen("all,changes,crowds")) == len(BY_NAME)
    assert options.chosen("") == ()


def test_a_report_is_not_compared_with_itself(tmp_path: Path) -> None:
    drill_files.write(report(), tmp_path)
    (mistake,) = options.mistakes("all", str(tmp_path), str(tmp_path))
    assert "would be overwritten" in mistake.remedy
    (mistake,) = options.mistakes("all", str(tmp_path / "none"), "")
    assert "has no readable drills.json" in mistake.remedy


def test_the_drills_are_listed_without_asking_any_machine(inventory: Path) -> None:
    done = pyinfra(inventory, "drill.py")
    assert done.returncode == 0
    assert all(name in done.stdout for name in BY_NAME)
    assert "Connecting" not in done.stdout


def test_every_mistake_is_said_at_once_before_any_connection(inventory: Path) -> None:
    done = pyinfra(
        inventory,
        "drill.py",
        *("--data", "drills=nginx-crush", "--data", "rate=9000", "--data", "workload=gpu"),
    )
    assert done.returncode == 1
    assert "3 mistakes in the settings; no machine was touched" in done.stdout
    assert "did you mean nginx-crash?" in done.stdout
    assert "rate = 9000: give 10 to 500 requests per second" in done.stdout
    assert "Connecting" not in done.stdout


def test_outside_the_lab_somebody_has_to_agree(inventory: Path) -> None:
    done = pyinfra(inventory, "drill.py", "--data", "drills=nginx-crash")
    assert done.returncode == 1
    assert "Nobody is here to be asked. If you mean it: --data yes=1" in done.stdout
    assert "192.0.2.61" in done.stdout
    assert "Connecting" not in done.stdout


def test_a_drill_is_not_mixed_with_a_deploy(inventory: Path) -> None:
    done = pyinfra(inventory, "deploy.py", "drill.py", "--data", "drills=nginx-crash")
    assert done.returncode == 1
    assert "Run drill.py by itself" in done.stdout
