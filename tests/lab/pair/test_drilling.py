"""drill.py on real machines: two drills end to end, what is refused, what is put back."""

from __future__ import annotations

import signal
from pathlib import Path

from drills.analysis.long_lived_counts import count_long_lived
from drills.control.long_lived_load import FILE, SIZE
from drills.results import DrillVerdict, Report, RequestOutcome, from_json
from lab.twin import Lab
from tests.support.lab.drill_runs import (
    assert_drill_sound,
    assert_nothing_is_left,
    assert_puts_back_when_ended_by,
    drill,
)

HOSTS = ("host1", "host2")
# More is asserted of each here than of the others, in tests/lab/breaking/test_every_drill.py.
FAULTS, CHANGES = ("nginx-crash", "link-cut"), ("reload", "switchover")


def test_two_drills_from_fault_to_report(healthy: Lab, tmp_path: Path) -> None:
    done = drill(healthy, f"drills={','.join(FAULTS)}", "repeats=1", f"report={tmp_path}")
    assert "Traceback" not in done.stdout, done.stdout
    report: Report = from_json((tmp_path / "drills.json").read_bytes())
    assert [found.name for found in report.drills] == [*FAULTS], done.stdout
    assert done.returncode == report.exit_code, done.stdout
    assert "nginx-crash  1 of 1, host1: nginx's master (" in done.stdout
    for found in report.drills:
        assert_drill_sound(found)
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
    assert cut.evidence is not None and cut.evidence.text == "host1: eth0 has no carrier"
    assert_nothing_is_left(healthy)


def test_planned_changes_under_load_from_file_to_report(healthy: Lab, tmp_path: Path) -> None:
    drills = f"drills={','.join(CHANGES)}"
    done = drill(healthy, drills, "repeats=1", "moves=1", f"report={tmp_path}")
    assert "Traceback" not in done.stdout, done.stdout
    report: Report = from_json((tmp_path / "drills.json").read_bytes())
    reload, switchover = report.drills
    for found in (reload, switchover):
        assert_drill_sound(found)
        (repeat,) = found.counted
        counted = count_long_lived(repeat.long_lived)
        assert (counted.failed if found is switchover else 0, counted.cut) == (0, 0)
        assert counted.requests > 20 * 5
        assert counted.downloads >= 10
        assert counted.received_bytes >= 10 * SIZE
        table = tmp_path / "samples" / f"web-{found.name}-{repeat.number}-long-lived.csv"
        assert len(table.read_text().splitlines()) == len(repeat.long_lived) + 1
    # What reads its configuration anew closes what is idle; what is only moved does not.
    assert count_long_lived(reload.counted[0].long_lived).reconnected >= 20
    assert switchover.counted[0].moves == 2
    assert_nothing_is_left(healthy)
    for host in HOSTS:
        assert healthy.ssh(host, f"ls {FILE} {FILE}.new").stdout == ""


def test_a_drill_that_ctrl_c_ends_puts_everything_back(healthy: Lab, tmp_path: Path) -> None:
    assert_puts_back_when_ended_by(signal.SIGINT, healthy, tmp_path / "log")


def test_what_does_not_exist_is_refused_with_everything_else_that_is_wrong(healthy: Lab) -> None:
    done = drill(healthy, "drills=nginx-crush,link-cut", "repeats=0", "against=/nowhere")
    assert done.returncode == 1
    assert "3 mistakes" in done.stdout
    assert "did you mean nginx-crash?" in done.stdout
    assert "repeats = 0: give 1 to 100" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_unhealthy_cluster_is_refused_and_left_alone(healthy: Lab) -> None:
    stop, start = (f"systemctl {verb} keepalived" for verb in ("stop", "start"))
    healthy.ssh("host2", stop)
    try:
        done = drill(healthy, "drills=nginx-crash", "repeats=1")
        running_since = healthy.ssh("host1", "systemctl show nginx -p NRestarts --value").stdout
    finally:
        healthy.ssh("host2", start)
    assert done.returncode == 1
    assert "KA-01" in done.stdout
    assert "The cluster is not healthy" in done.stdout
    assert "nginx killed" not in done.stdout
    assert running_since == healthy.ssh("host1", "systemctl show nginx -p NRestarts --value").stdout
    assert_nothing_is_left(healthy)
