"""What a drill leaves that is killed, and what becomes of one that somebody interferes with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil

from drills.results import DrillVerdict, Report, from_json
from lab.twin import Lab
from tests.support.lab.deployment import pyinfra
from tests.support.lab.drill_runs import (
    IMPATIENT,
    assert_nothing_is_left,
    data_words,
    drill,
    notes,
    plugged,
    running,
    until,
)
from tests.support.lab.pair import holders, on

FROZEN = "ps -o stat= -p $(cat /run/nginx/nginx.pid) | grep -q T"


def frozen(lab: Lab) -> bool:
    return lab.ssh("host1", FROZEN).returncode == 0


def kill_with_guards(process: subprocess.Popen[bytes]) -> None:
    """As when the controller loses its power: nobody is left who could put anything back."""
    children = psutil.Process(process.pid).children(recursive=True)
    guards = [child for child in children if "read -r done" in " ".join(child.cmdline())]
    for guard in guards:
        guard.kill()
    process.kill()
    process.wait()


def report(directory: Path) -> Report:
    return from_json((directory / "drills.json").read_bytes())


def test_the_next_run_finds_a_pulled_cable_and_puts_it_in(healthy: Lab, tmp_path: Path) -> None:
    with running(healthy, "link-cut", tmp_path / "log") as process:
        until("the cable is never pulled", lambda: not plugged(healthy))
        kill_with_guards(process)
    assert not plugged(healthy)
    assert len(notes(healthy)) == 1
    listed = drill(healthy)
    assert "An earlier run (link-cut)" in listed.stdout and "undo=1" in listed.stdout
    assert not plugged(healthy), "listing the drills asks no machine"
    done = drill(healthy, "drills=worker-crash", "repeats=1")
    assert done.returncode == 0, done.stdout
    assert "An earlier run (link-cut)" in done.stdout
    assert "Putting back: cable pulled on host1" in done.stdout
    assert plugged(healthy)
    assert_nothing_is_left(healthy)


def test_the_next_run_finds_a_frozen_nginx_and_a_report_of_what_was_done(
    healthy: Lab, tmp_path: Path
) -> None:
    names = "worker-crash,nginx-freeze"
    with running(
        healthy, names, tmp_path / "log", f"report={tmp_path}", "timing=show", repeats=1
    ) as process:
        until("nginx is never frozen", lambda: frozen(healthy), 60)
        kill_with_guards(process)
    so_far = report(tmp_path)
    assert [found.name for found in so_far.drills] == ["worker-crash"]
    assert so_far.drills[0].counted
    assert so_far.to_come == ("nginx-freeze",) and not so_far.passed
    done = drill(healthy, "drills=nginx-freeze", "repeats=1", f"report={tmp_path}")
    assert done.returncode == 0, done.stdout
    assert "Putting back: nginx frozen on host1" in done.stdout
    assert report(tmp_path).passed
    assert_nothing_is_left(healthy)


def test_what_a_planned_change_left_is_put_back_by_itself(healthy: Lab, tmp_path: Path) -> None:
    with running(healthy, "switchover", tmp_path / "log") as process:
        until("the address is never moved", lambda: holders(healthy) == ["host2"], 60)
        kill_with_guards(process)
    done = drill(healthy, "undo=1")
    assert done.returncode == 0, done.stdout
    assert "Putting back: what was changed on cluster web" in done.stdout
    assert "a file to download on host1" in done.stdout
    assert holders(healthy) == ["host1"]
    assert "verifier" not in done.stdout
    assert_nothing_is_left(healthy)


def test_two_runs_do_not_break_the_same_machines(healthy: Lab, tmp_path: Path) -> None:
    with running(healthy, "link-cut", tmp_path / "log") as process:
        until("the cable is never pulled", lambda: not plugged(healthy))
        second = drill(healthy, "drills=worker-crash", "repeats=1")
        process.terminate()
        assert process.wait(60) == 130
    assert second.returncode == 1
    assert "Another drill.py is at work on these machines" in second.stdout
    assert_nothing_is_left(healthy)


def test_a_machine_that_somebody_switches_off_costs_its_repeat_alone(
    healthy: Lab, tmp_path: Path
) -> None:
    names, log = "nginx-freeze,worker-crash", tmp_path / "log"
    with running(healthy, names, log, f"report={tmp_path}", "timing=show", repeats=1) as process:
        until("nginx is never frozen", lambda: frozen(healthy), 60)
        healthy.power_off("host1")
        healthy.power_on("host1")
        code = process.wait(300)
    said = log.read_text()
    assert "Traceback" not in said and "NOT PUT BACK" not in said, said
    first, second = report(tmp_path).drills
    # What it was in the middle of does not count: it has failed, or is done again.
    assert first.verdict is DrillVerdict.FAILED or any(made.void for made in first.repeats), said
    assert second.verdict is DrillVerdict.PASSED, said
    assert code == (1 if first.verdict is DrillVerdict.FAILED else 0)
    assert_nothing_is_left(healthy)


def test_an_undo_that_fails_once_is_made_again(healthy: Lab, tmp_path: Path) -> None:
    """On its first call it fails, as a machine may that has no memory to spare just then."""
    log = tmp_path / "log"
    with running(
        healthy, "nginx-freeze", log, f"report={tmp_path}", "timing=show", repeats=1
    ) as process:
        once = "[ -e /run/second ] || { touch /run/second; echo no memory; exit 1; }"
        # As soon as it is there, before it is used: in one round trip.
        spoil = f"sed -i '1i {once}' /run/tandem-drill/nginx.undo"
        until("nothing is armed", lambda: healthy.ssh("host1", spoil).returncode == 0, 60)
        code = process.wait(120)
    on(healthy, "host1", "rm /run/second")
    assert code == 1
    (found,) = report(tmp_path).drills
    reasons = " ".join(found.reasons)
    assert "nginx frozen on host1 could not be undone" in reasons and "no memory" in reasons
    assert "NOT PUT BACK" not in log.read_text()
    assert_nothing_is_left(healthy)


def test_what_cannot_be_put_back_stands_last_with_what_a_person_types(
    healthy: Lab, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    names = "keepalived-stop,worker-crash"
    with running(
        healthy, names, log, f"report={tmp_path}", repeats=1, program=IMPATIENT
    ) as process:
        armed = "test -e /run/tandem-drill/keepalived.undo"
        until("nothing is armed", lambda: healthy.ssh("host1", armed).returncode == 0, 60)
        on(healthy, "host1", "echo 'false' >/run/tandem-drill/keepalived.undo")
        code = process.wait(200)
    try:
        said = log.read_text()
        assert code == 1
        tail = said[said.index("Written:") :]
        assert "NOT PUT BACK: keepalived stopped on host1: " in tail
        assert "By hand, as root on host1: /usr/lib/tandem/service start keepalived" in tail
        first, second = report(tmp_path).drills
        assert first.verdict is DrillVerdict.FAILED
        assert second.verdict is DrillVerdict.SKIPPED
        assert "not put back" in second.reasons[0]
        refused = pyinfra(healthy, "inventory.py", "drill.py", *data_words("undo=1"))
        assert refused.returncode == 1
        assert "NOT PUT BACK: keepalived stopped on host1" in refused.stdout
    finally:
        mend = "echo '/usr/lib/tandem/service start keepalived' >/run/tandem-drill/keepalived.undo"
        on(healthy, "host1", mend)
    done = drill(healthy, "undo=1")
    assert done.returncode == 0, done.stdout
    assert_nothing_is_left(healthy)
