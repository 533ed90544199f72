"""drill.py on real machines: two drills end to end, what is refused, what is put back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drills.analysis.long_lived_counts import count_long_lived
from drills.control.long_lived_load import FILE, SIZE
from drills.results import DrillVerdict, Report, RequestOutcome, from_json
from lab.twin import Lab
from tests.support.lab.deployment import PYINFRA, ROOT, Deployed, Done, pyinfra, verify

pytestmark = pytest.mark.lab

HOSTS = ("host1", "host2")
# What a machine is asked to see that nothing of a drill is left on it.
LEFT = (
    "ls /run/tandem-drill 2>/dev/null; pgrep -f '[m]onitor address'; "
    "nft list tables 2>/dev/null | grep drill"
)


@pytest.fixture(scope="module")
def pair(lab: Lab, deployed: Deployed) -> Lab:
    """The deployed pair, healthy to begin with."""
    done = verify(lab, "--data", "wait=30")
    assert done.returncode == 0, done.stdout
    return lab


def drill(lab: Lab, *data: str) -> Done:
    words = [word for item in data for word in ("--data", item)]
    return pyinfra(lab, "inventory.py", "drill.py", *words)


def healthy(lab: Lab) -> None:
    done = verify(lab, "--data", "wait=60")
    assert done.returncode == 0, done.stdout
    for host in HOSTS:
        assert lab.ssh(host, LEFT).stdout == ""


def holders(lab: Lab) -> list[str]:
    return [s.machine.name for s in lab.status() if any("254/" in a for a in s.addresses)]


def test_two_drills_from_fault_to_report(pair: Lab, tmp_path: Path) -> None:
    done = drill(pair, "drills=nginx-crash,link-cut", "repeats=1", f"report={tmp_path}")
    assert "Traceback" not in done.stdout, done.stdout
    report: Report = from_json((tmp_path / "drills.json").read_bytes())
    assert [found.name for found in report.drills] == ["nginx-crash", "link-cut"], done.stdout
    assert done.returncode == (0 if report.passed else 1), done.stdout
    for found in report.drills:
        assert found.verdict is DrillVerdict.PASSED, done.stdout
        assert found.after is not None and found.after.passed
        (repeat,) = [repeat for repeat in found.repeats if not repeat.void]
        assert repeat.measured_s is not None  # an nginx that dies may cost nothing at all
        assert (repeat.min_holders, repeat.max_holders) == (1, 1)
        assert repeat.holders[0].holders == ("host1",)
        assert repeat.holders[-1].holders == ("host1",)
        assert {request.node for request in repeat.requests} >= {"host1"}
        table = (tmp_path / "samples" / f"web-{found.name}-{repeat.number}.csv").read_text()
        assert len(table.splitlines()) == len(repeat.requests) + 1
    cut = report.drills[1].counted[0]
    assert cut.moves == 1
    assert cut.measured_s and cut.measured_s > 0
    assert RequestOutcome.CONNECT_TIMEOUT in cut.lost
    healthy(pair)


def test_planned_changes_under_load_from_file_to_report(pair: Lab, tmp_path: Path) -> None:
    done = drill(pair, "drills=reload,switchover", "repeats=1", "moves=1", f"report={tmp_path}")
    assert "Traceback" not in done.stdout, done.stdout
    report: Report = from_json((tmp_path / "drills.json").read_bytes())
    reload, switchover = report.drills
    for found in (reload, switchover):
        assert found.verdict is DrillVerdict.PASSED, done.stdout
        (repeat,) = found.counted
        counted = count_long_lived(repeat.long_lived)
        assert (counted.failed, counted.cut) == (0, 0)
        assert counted.requests > 20 * 5
        assert counted.downloads >= 10
        assert counted.received_bytes >= 10 * SIZE
        table = tmp_path / "samples" / f"web-{found.name}-{repeat.number}-long-lived.csv"
        assert len(table.read_text().splitlines()) == len(repeat.long_lived) + 1
    # What reads its configuration anew closes what is idle; what is only moved does not.
    assert count_long_lived(reload.counted[0].long_lived).reconnected >= 20
    assert switchover.counted[0].moves == 2
    healthy(pair)
    for host in HOSTS:
        assert pair.ssh(host, f"ls {FILE} {FILE}.new").stdout == ""


def test_an_interrupted_change_is_put_back(pair: Lab, tmp_path: Path) -> None:
    """The address is elsewhere when somebody has had enough; the load is taken away, too."""
    log = tmp_path / "log"
    with running(pair, "switchover", log) as process:
        until("the address is never moved", lambda: holders(pair) == ["host2"], 60)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 130, log.read_text()
    assert holders(pair) == ["host1"]
    assert "Traceback" not in log.read_text()
    healthy(pair)
    for host in HOSTS:
        assert pair.ssh(host, f"ls {FILE} {FILE}.new").stdout == ""


def test_another_report_is_put_beside_it(pair: Lab, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    first = drill(pair, "drills=worker-crash", "repeats=1", f"report={before}", "profile=old")
    assert first.returncode == 0, first.stdout
    second = drill(pair, "drills=worker-crash", "repeats=1", f"report={after}", f"against={before}")
    assert second.returncode == 0, second.stdout
    report = from_json((after / "drills.json").read_bytes())
    assert report.against is not None and report.against.profile == "old"
    assert "ratio" in second.stdout


@contextmanager
def running(lab: Lab, name: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [PYINFRA, "inventory.py", "drill.py"]
    command += ["--data", f"drills={name}", "--data", "repeats=9"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            lab.run_command(command),
            cwd=ROOT,
            env=lab.environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def until(what: str, true: object, seconds: float = 40) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def plugged(lab: Lab) -> bool:
    return all(status.plugged for status in lab.status())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_drill_puts_everything_back(
    pair: Lab, tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "log"
    with running(pair, "link-cut", log) as process:
        until("the cable is never pulled", lambda: not plugged(pair))
        os.kill(process.pid, number)
        assert process.wait(30) == 130, log.read_text()
    assert plugged(pair)
    assert "Interrupted: putting back what is broken." in log.read_text()
    assert "Traceback" not in log.read_text()
    healthy(pair)


def test_a_drill_that_is_killed_leaves_no_cable_pulled(pair: Lab, tmp_path: Path) -> None:
    with running(pair, "link-cut", tmp_path / "log") as process:
        until("the cable is never pulled", lambda: not plugged(pair))
        process.kill()
    until("the cable stays out", lambda: plugged(pair), 10)
    # The next run takes away what is left.
    assert drill(pair, "drills=worker-crash", "repeats=1").returncode == 0
    healthy(pair)


def test_what_does_not_exist_is_refused_with_everything_else_that_is_wrong(pair: Lab) -> None:
    done = drill(pair, "drills=nginx-crush,link-cut", "repeats=0", "against=/nowhere")
    assert done.returncode == 1
    assert "3 mistakes" in done.stdout
    assert "did you mean nginx-crash?" in done.stdout
    assert "repeats = 0: give 1 to 100" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_unhealthy_cluster_is_refused_and_left_alone(pair: Lab) -> None:
    stop, start = (f"systemctl {verb} keepalived" for verb in ("stop", "start"))
    pair.ssh("host2", stop)
    try:
        done = drill(pair, "drills=nginx-crash", "repeats=1")
        running_since = pair.ssh("host1", "systemctl show nginx -p NRestarts --value").stdout
    finally:
        pair.ssh("host2", start)
    assert done.returncode == 1
    assert "KA-01" in done.stdout
    assert "The cluster is not healthy" in done.stdout
    assert "nginx killed" not in done.stdout
    assert running_since == pair.ssh("host1", "systemctl show nginx -p NRestarts --value").stdout
    healthy(pair)


def test_a_missing_machine_is_named_and_nothing_is_broken(pair: Lab) -> None:
    pair.unplug("host2")
    try:
        done = drill(pair, "drills=nginx-crash", "repeats=1")
        assert holders(pair) == ["host1"]
    finally:
        pair.plug("host2")
    assert done.returncode == 1
    assert "Every machine has to be there, and host2" in done.stdout
    healthy(pair)


def test_the_list_needs_no_machine(pair: Lab) -> None:
    done = drill(pair)
    assert done.returncode == 0
    assert "nginx-crash" in done.stdout and "partition" in done.stdout


def test_samples_are_data_for_everybody(pair: Lab, tmp_path: Path) -> None:
    done = drill(pair, "drills=worker-crash", "repeats=1", "rate=50", f"report={tmp_path}")
    assert done.returncode == 0, done.stdout
    data = json.loads((tmp_path / "drills.json").read_text())
    assert data["rate"] == 50
    assert data["clusters"][0]["versions"]["host1"]["keepalived"].startswith("2.")
    (first, second, *_) = data["drills"][0]["repeats"][0]["requests"]
    assert second[0] - first[0] == pytest.approx(0.02)
