"""Goals, ratios and reports of the benches, and that both sides are compared fairly."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import failover, serve, verify
from bench.machinery import playbook
from bench.machinery.bench_command import (
    CannotMeasure,
    Measurements,
    Options,
    parse_options,
    run_bench,
)
from bench.machinery.bench_lab import TimedRun
from bench.report import bench_page, figures
from bench.report.bench_result import (
    BenchMachine,
    BenchResult,
    Better,
    Comparison,
    Series,
    at_most,
    from_json,
    times,
    to_json,
)
from controller import program_archive
from lab.inventory_machines import read
from lab.planning import make_plan
from tests.support.drilling import drill_reports

ROOT = Path(__file__).resolve().parents[3]
OURS = Series("Tandem", "s", (2.0, 2.2, 2.4))
THEIRS = Series("<Ansible>", "s", (22.0, 24.2, 40.0))
MACHINE = BenchMachine(2, "some CPU", "6.1.0", 24105, 0.1, 1.9)


def result(*rows: Comparison) -> BenchResult:
    return BenchResult("deploy", "a title", "2026-11-22T13:59:14+00:00", 61.0, True, MACHINE, rows)


def test_a_goal_is_met_by_the_ratio_of_the_medians_and_never_by_rounding() -> None:
    assert Comparison("a", OURS, THEIRS, times(10.9)).met
    assert not Comparison("a", OURS, THEIRS, times(11.1)).met
    assert figures.ratio(Comparison("a", OURS, THEIRS)) == "11 ×"


def test_more_is_better_where_it_is_throughput() -> None:
    fast, slow = Series("a", "requests/s", (3000.0,)), Series("b", "requests/s", (2000.0,))
    assert Comparison("a", fast, slow, better=Better.HIGHER).ratio == 1.5


def test_a_limit_is_met_by_our_own_median() -> None:
    assert Comparison("a", OURS, THEIRS, at_most(2.2)).met
    assert Comparison("a", OURS, THEIRS, at_most(2.1)).met is False


def test_nothing_lost_beside_something_is_met_and_beside_nothing_says_nothing() -> None:
    none, some = Series("a", "requests", (0.0,)), Series("b", "requests", (7.0,))
    assert Comparison("a", none, some, times(10)).met is True
    assert Comparison("a", none, none, times(10)).met is None


def test_a_result_is_read_back_as_it_was_written() -> None:
    whole = result(Comparison("a", OURS, THEIRS, times(12), note="so"), Comparison("b", OURS))
    assert from_json(to_json(whole)) == whole


def test_a_bench_has_no_more_machines_than_it_may_and_always_a_pair() -> None:
    assert parse_options([]).may_have(15) and not parse_options(["--quick"]).may_have(3)
    few = parse_options(["--hosts", "6"])
    assert few.may_have(3) and not few.may_have(5)
    assert parse_options(["--hosts", "1"]).may_have(1)


def test_what_was_measured_before_an_interruption_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(_: Options, measured: Measurements) -> None:
        measured.rows.append(Comparison("no change", OURS, THEIRS))
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="130"):
        run_bench("a title", measure, ["--quick", "--report", str(tmp_path)])
    kept = from_json((tmp_path / "test_bench.json").read_bytes())
    assert [row.what for row in kept.rows] == ["no change"]
    assert "Not finished: interrupted" in kept.notes
    assert "no change" in capsys.readouterr().out


def test_the_page_shows_missed_goals_and_loads_nothing_else() -> None:
    html = bench_page.page([result(Comparison("no change", OURS, THEIRS, times(12)))])
    assert "not met" in html and "0 of 1 goal met" in html
    assert "11 ×" in html and "≥ 12 ×" in html and "2.20 s (2.00 s–2.40 s)" in html
    assert "&lt;Ansible&gt;" in html and "<Ansible>" not in html
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|@import", html)


WRK = """\
Running 10s test @ http://172.16.12.61/
  Latency Distribution
     50%    1.02ms
     99%  903.00us
  259210 requests in 10.00s, 66.99MB read
Requests/sec:  25913.41
"""


def test_wrk_is_read_in_milliseconds() -> None:
    per_s, p99_ms, requests = serve.parse(WRK)
    assert (per_s, requests) == (25913.41, 259210)
    assert p99_ms == pytest.approx(0.903)


def test_wrk_that_got_errors_is_no_measurement() -> None:
    with pytest.raises(CannotMeasure):
        serve.parse(WRK + "  Non-2xx or 3xx responses: 12\n")


def test_the_playbook_places_every_file_that_is_compared() -> None:
    text = (playbook.HERE / "site.yml").read_text()
    for path in playbook.FILES:
        assert f"/{path}" in text, path
    for service in playbook.SERVICES:
        assert service in text


def test_a_new_program_of_ours_is_given_to_the_playbook_too() -> None:
    """But for what only a deploy of Tandem's runs, and what the default profile has not."""
    tandems = {"apply-nginx", "apply-keepalived", "build-nginx", "deploy-record", "package-manager"}
    not_by_default = {"supervise", "metrics", "apply-bird"}
    there = {
        path.name
        for path in (ROOT / "files").glob("*/*")
        if path.is_file() and path.read_bytes()[:2] == b"#!"
    } | {Path(name).name for name in program_archive.PROGRAMS}
    placed = {Path(path).name for path in playbook.FILES}
    assert there - tandems - not_by_default <= placed


def test_the_playbook_is_given_tandems_packages() -> None:
    words = [sys.executable, "-c", playbook.PRINT_PACKAGES]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert "keepalived" in json.loads(done.stdout), done.stderr


def test_both_end_states_are_compared_line_by_line() -> None:
    assert playbook.differences({"host1": "a\nb"}, {"host1": "b\na"}) == []
    assert playbook.differences({"host1": "a"}, {"host1": "b"}) == [
        "host1: only with Tandem: a",
        "host1: only with Ansible: b",
    ]


@pytest.mark.parametrize(
    ("results", "nothing"),
    [
        ("--> deploy.py: nothing to do on host1, host2.", True),
        ("--> deploy.py: done: changed 1 file on 1 machine.", False),
        ("--> Stopped: host2 failed.", False),
        ("it never came to that", False),
    ],
)
def test_the_last_line_of_a_deploy_shows_whether_it_changed_anything(
    results: str, nothing: bool
) -> None:
    run = TimedRun(1.0, 1.0, 1.0, 1.0, f"--> Connecting...\n{results}\n")
    assert playbook.changed_nothing(run) is nothing


def test_testinfra_makes_thirty_checks_that_are_the_verifiers() -> None:
    from verify.api import every_check

    text = verify.TESTS.read_text()
    names = re.findall(r"^def test_([a-z]+)_(\d\d)_", text, re.MULTILINE)
    ids = [f"{area.upper()}-{number}" for area, number in names]
    ids += re.findall(r'"([A-Z]+-\d\d)": ', text)
    assert len(set(ids)) == len(ids) == verify.CHECKS
    assert set(ids) <= {check.id for check in every_check()}


def test_pairs_do_not_share_what_must_be_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRS", "15")
    found: dict[str, Any] = runpy.run_path(str(ROOT / "bench" / "machinery" / "pairs.py"))
    pairs = [value for name, value in found.items() if name.startswith("pair")]
    assert len(pairs) == 15
    assert len({data["virtual_router_id"] for _, data in pairs}) == 15
    assert len({data["vip"] for _, data in pairs}) == 15
    assert len({name for hosts, _ in pairs for name, _ in hosts}) == 30


def test_a_fault_stands_beside_both_of_the_others_each_with_the_goal_of_that_fault() -> None:
    drilled = drill_reports.report().drills
    made = {who: drilled for who in (failover.RECIPE, failover.EXPERT, failover.TANDEM)}
    crash = failover._rows("nginx-crash", made)
    assert [row.rival and row.rival.who for row in crash] == [failover.RECIPE, failover.EXPERT]
    assert all(row.goal == times(50) and row.ratio == 1 and row.met is False for row in crash)
    assert failover._rows("no-such-fault", made) == []


def test_the_usual_keepalived_is_a_pair_whose_machines_name_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAIRS", "1")
    monkeypatch.chdir(ROOT)
    plan = make_plan(
        ROOT, "bench/machinery/pairs.py", read("bench/machinery/pairs.py", ROOT).machines
    )
    one, two = plan.machines
    first, second = (
        failover.usual_configuration(one, two, first=True),
        failover.usual_configuration(two, one, first=False),
    )
    assert re.findall(r"unicast_src_ip +(\S+)", first) == [one.address]
    assert re.findall(r"unicast_peer {\s+(\S+)", second) == [one.address]
    assert "172.16.12.254/16 dev eth0 label eth0:0" in first
    assert re.findall(r"priority +(\d+)", first + second) == ["101", "100"]


def test_every_remote_call_of_a_connector_is_a_round_trip_of_its_machine() -> None:
    """In a process of its own, because importing pyinfra patches threads."""
    code = """
from collections import Counter
from types import SimpleNamespace
from bench.machinery.round_trips import COUNTED, count_calls
class Connector:
    def __init__(self, name):
        self.host = SimpleNamespace(name=name)
    def run_shell_command(self, *words): return words
    def put_file(self, *words): return words
    def get_file(self, *words): return words
counts = Counter()
count_calls(counts, Connector)
one, two = Connector("one"), Connector("two")
assert one.run_shell_command("a") == ("a",)
for name in COUNTED:
    getattr(two, name)("b")
assert counts == {"one": 1, "two": 3}, counts
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
