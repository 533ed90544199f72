"""drill.py as a command: what it refuses, compares and writes, and what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from shlex import quote

import pytest

from drills.control.long_lived_load import FILE
from drills.results import DrillVerdict, from_json
from lab.twin import Lab
from tests.support.lab import verifier_runs
from tests.support.lab.drill_runs import (
    assert_nothing_is_left,
    assert_puts_back_when_ended_by,
    drill,
    plugged,
    running,
    until,
)
from tests.support.lab.pair import HOSTS, holders, on


def test_another_report_is_put_beside_it(healthy: Lab, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    first = drill(healthy, "drills=worker-crash", "repeats=1", f"report={before}", "profile=old")
    assert first.returncode == 0, first.stdout
    second = drill(
        healthy, "drills=worker-crash", "repeats=1", f"report={after}", f"against={before}"
    )
    assert second.returncode == 0, second.stdout
    report = from_json((after / "drills.json").read_bytes())
    assert report.against is not None and report.against.profile == "old"
    assert "ratio" in second.stdout


def warnings(lab: Lab, directory: Path) -> set[tuple[str, str]]:
    found = verifier_runs.verify(lab, directory, "wait=20")
    assert found.exit_code == 0, found.output
    return {(each["id"], str(each["host"])) for each in found.findings if each["outcome"] == "warn"}


def test_a_drill_leaves_no_warning_and_takes_none_away(healthy: Lab, tmp_path: Path) -> None:
    names = "drills=nginx-crash,keepalived-crash,partition,rogue"
    before = warnings(healthy, tmp_path)
    # Twice, so that what is caused again is counted again.
    done = drill(healthy, names, "repeats=2", "timing=show")
    assert done.returncode == 0, done.stdout
    assert warnings(healthy, tmp_path) == before
    # A crash that no drill has caused.
    on(healthy, "host1", "systemctl kill -s KILL nginx")
    until(
        "nginx is not started again",
        lambda: healthy.ssh("host1", "systemctl is-active nginx").returncode == 0,
    )
    crashed = warnings(healthy, tmp_path)
    assert crashed == {*before, ("NGX-09", "host1")}
    try:
        assert drill(healthy, "drills=nginx-crash", "repeats=1", "timing=show").returncode == 0
        assert warnings(healthy, tmp_path) == crashed
    finally:
        on(healthy, "host1", "systemctl reset-failed nginx")


def test_a_drill_that_is_killed_leaves_no_cable_pulled(healthy: Lab, tmp_path: Path) -> None:
    with running(healthy, "link-cut", tmp_path / "log") as process:
        until("the cable is never pulled", lambda: not plugged(healthy))
        process.kill()
    until("the cable stays out", lambda: plugged(healthy), 10)
    # The next run takes away what is left.
    assert drill(healthy, "drills=worker-crash", "repeats=1").returncode == 0
    assert_nothing_is_left(healthy)


def test_a_missing_machine_is_named_and_nothing_is_broken(healthy: Lab) -> None:
    healthy.unplug("host2")
    try:
        done = drill(healthy, "drills=nginx-crash", "repeats=1")
        assert holders(healthy) == ["host1"]
    finally:
        healthy.plug("host2")
    assert done.returncode == 1
    assert "Every machine has to be there, and host2" in done.stdout
    assert_nothing_is_left(healthy)


def test_the_list_needs_no_machine(healthy: Lab) -> None:
    done = drill(healthy)
    assert done.returncode == 0
    assert "nginx-crash" in done.stdout and "partition" in done.stdout


def test_a_fault_that_does_not_bite_is_void_and_a_drill_that_cannot_be_done_is_not_passed(
    healthy: Lab, tmp_path: Path
) -> None:
    """The watch of the address cannot be run: nobody knows who held it."""
    skipped = drill(healthy, "drills=clock-step", "repeats=1")
    assert skipped.returncode == 3, skipped.stdout
    assert "No drill was done, so that nothing is known. Skipped: clock-step." in skipped.stdout
    # `ip monitor` fails; everything else of it works.
    fake = '#!/bin/sh\ncase "$*" in *monitor*) exit 1;; esac\nexec /usr/bin/ip "$@"\n'
    healthy.ssh("host2", f"printf '%s' {quote(fake)} >/usr/local/sbin/ip")
    healthy.ssh("host2", "chmod 755 /usr/local/sbin/ip")
    try:
        done = drill(healthy, "drills=worker-crash", "repeats=1", f"report={tmp_path}")
    finally:
        healthy.ssh("host2", "rm -f /usr/local/sbin/ip")
    assert done.returncode == 3, done.stdout
    (found,) = from_json((tmp_path / "drills.json").read_bytes()).drills
    assert found.verdict is DrillVerdict.VOID
    died = "the monitor of the address on host2: it ended before the repeat did"
    assert [repeat.void for repeat in found.repeats] == [died] * 3
    assert_nothing_is_left(healthy)


def test_samples_are_data_for_everybody(healthy: Lab, tmp_path: Path) -> None:
    done = drill(healthy, "drills=worker-crash", "repeats=1", "rate=50", f"report={tmp_path}")
    assert done.returncode == 0, done.stdout
    data = json.loads((tmp_path / "drills.json").read_text())
    assert data["rate"] == 50
    assert data["clusters"][0]["versions"]["host1"]["keepalived"].startswith("2.")
    (first, second, *_) = data["drills"][0]["repeats"][0]["requests"]
    assert second[0] - first[0] == pytest.approx(0.02)


def test_an_interrupted_change_is_put_back(healthy: Lab, tmp_path: Path) -> None:
    """The address is elsewhere when somebody has had enough; the load is taken away, too."""
    log = tmp_path / "log"
    with running(healthy, "switchover", log) as process:
        until("the address is never moved", lambda: holders(healthy) == ["host2"], 60)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 130, log.read_text()
    assert holders(healthy) == ["host1"]
    assert "Traceback" not in log.read_text()
    assert_nothing_is_left(healthy)
    for host in HOSTS:
        assert healthy.ssh(host, f"ls {FILE} {FILE}.new").stdout == ""


def test_a_drill_that_is_terminated_puts_everything_back(healthy: Lab, tmp_path: Path) -> None:
    assert_puts_back_when_ended_by(signal.SIGTERM, healthy, tmp_path / "log")
