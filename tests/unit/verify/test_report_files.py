"""What a person and what a program is told, and that no secret is among it."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from settings import SettingsError
from tests.support.snapshots import BARE, DEFAULT, Spoiled
from verify import judge, snapshot
from verify.judge import VerifierVerdict
from verify.report import report_files, terminal_report


def _printed(verdict: VerifierVerdict, width: int = 80) -> str:
    out = io.StringIO()
    terminal_report.report(verdict, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def _broken() -> VerifierVerdict:
    spoiled = Spoiled().replace("host1", "units", "UnitFileState=enabled", "UnitFileState=disabled")
    del spoiled.data["looks"]["host2"]["sections"]["failed_units"]
    spoiled.vrrp("host1", "vrrp_before", ip_ttl_err=1).vrrp("host1", ip_ttl_err=1)
    return spoiled.judge()


def test_a_healthy_report_is_short_and_says_so_last() -> None:
    text = _printed(Spoiled().judge(skip="NGX-19"))
    assert text.startswith("web: 172.16.12.254/16 is on host1 (eth0:0)\n")
    assert text.rstrip().endswith("It holds: nothing to do.")
    assert "FAIL" not in text and "remedy" not in text
    assert "141 ok, 0 warning, 0 failed, 0 unknown, 72 skipped; 2 machines asked in" in text


def test_a_report_fits_80_columns_but_for_commands() -> None:
    for verdict in (Spoiled().judge(), _broken(), Spoiled(BARE).judge()):
        for line in _printed(verdict).splitlines():
            assert len(line) <= 80 or line.startswith(("  command", " " * 14)), line


def test_a_run_that_left_machines_out_says_so_in_its_verdict() -> None:
    limited = Spoiled()
    del limited.data["looks"]["host2"]
    text = _printed(limited.judge(skip="NGX-19"))
    assert text.rstrip().endswith("It holds as far as this run has looked: host2 was left out.")
    warned = " ".join(_printed(limited.judge()).split())
    assert warned.endswith("looked, with 1 warning to look at: host2 was left out.")


def test_the_verdict_begins_with_what_explains_the_rest() -> None:
    assert "Begin with NGX-01 on host1." in _printed(Spoiled(BARE).judge())
    assert "Begin with HOST-01 on host1." in _printed(Spoiled().lose("host1").judge())


def test_each_check_takes_one_row() -> None:
    text = _printed(Spoiled().judge(skip="NGX-19"))
    assert len(text.splitlines()) == 2 + len(judge.every_check()) - 1 + 3


def test_a_row_of_the_whole_cluster_has_its_outcome_where_there_is_no_other() -> None:
    printed = _printed(Spoiled().judge(only="X-24"))
    (row,) = (line for line in printed.splitlines() if line.startswith("X-24 "))
    assert row.split()[-1] == "ok"


def test_what_is_wrong_comes_again_in_full_at_the_end() -> None:
    text = _printed(_broken())
    table, _, rest = text.partition("\n\n")
    assert "NGX-09" in table and "FAIL" in table
    assert "FAIL NGX-09 host1: nginx's unit is enabled and active" in rest
    for word in (
        "command     systemctl show",
        "expected    loaded, active",
        "actual",
        "why",
        "remedy",
    ):
        assert word in rest
    assert "unknown SYS-05 host2" in rest and "cannot tell host2 did not answer" in rest
    assert "warn KA-10 host1" in rest
    assert (
        rest.rstrip().splitlines()[-1].startswith("It does not hold: 2 failed, 1 cannot be told.")
    )


def test_many_machines_are_summed_up_where_columns_do_not_fit() -> None:
    text = _printed(_broken(), width=50)
    assert "machines" in text.splitlines()[1]
    assert "1 FAIL 1 ok" in text


def test_colours_are_words_too_and_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, highlight=False)
    terminal_report.report(_broken(), console)
    assert "\x1b[31m" not in out.getvalue() and "FAIL" in out.getvalue()


def test_the_order_is_stable() -> None:
    areas = [check.area for check in judge.every_check()]
    assert list(dict.fromkeys(areas)) == list(judge.AREAS)
    assert _printed(_broken()) == _printed(_broken())


def test_report_json_has_every_finding(tmp_path: Path) -> None:
    verdict = _broken()
    report_files.write(verdict, tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["passed"] is False
    assert len(data["findings"]) == len(verdict.findings) == sum(data["counts"].values())
    assert data["counts"]["fail"] == 2 and data["counts"]["unknown"] == 1
    (cluster,) = data["clusters"]
    assert (cluster["name"], cluster["vip"]) == ("web", "172.16.12.254/16")
    assert cluster["hosts"] == ["host1", "host2"]
    assert cluster["counts"] == data["counts"] and cluster["passed"] is False
    keys = {
        "id",
        "host",
        "cluster",
        "outcome",
        "severity",
        "command",
        "expected",
        "actual",
        "remedy",
    }
    assert all(keys <= finding.keys() for finding in data["findings"])


def test_junit_has_a_suite_per_machine_and_one_for_the_cluster(tmp_path: Path) -> None:
    report_files.write(_broken(), tmp_path / "not" / "there" / "yet")
    root = ElementTree.parse(tmp_path / "not/there/yet/report.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["web", "host1", "host2"]
    cases = {case.get("name", "").split()[0]: case for case in suites["host1"]}
    assert cases["NGX-09"].get("classname") == "host1.NGX"
    assert cases["NGX-09"].find("failure") is not None
    assert cases["KA-10"].find("system-out") is not None
    silent = {case.get("name", "").split()[0]: case for case in suites["host2"]}["SYS-05"]
    assert silent.find("error") is not None
    assert root.get("errors") == "1" and root.get("failures") == "2"
    assert sum(int(suite.get("tests", "0")) for suite in root) == int(root.get("tests", "0"))


def test_a_saved_gathering_is_judged_again_alike(tmp_path: Path) -> None:
    verdict = _broken()
    report_files.write(verdict, tmp_path)
    again = judge.judge(snapshot.load(tmp_path / "gathering.json"), judge.every_check())
    assert [(f.id, f.host, f.answer) for f in again.findings] == [
        (f.id, f.host, f.answer) for f in verdict.findings
    ]


def test_no_secret_is_written(tmp_path: Path) -> None:
    spoiled = Spoiled()
    for node in spoiled.data["clusters"][0]["nodes"]:
        node["auth_pass"] = "hushhush"
    report_files.write(spoiled.judge(), tmp_path)
    for file in tmp_path.iterdir():
        assert "hushhush" not in file.read_text()


def test_a_saved_snapshot_keeps_the_names_that_earlier_versions_read() -> None:
    saved = json.loads(snapshot.saved(Spoiled(DEFAULT).snapshot))
    assert saved.keys() - {"router_views"} == DEFAULT.keys()
    for host, answers in DEFAULT["looks"].items():
        for probe, answer in answers["sections"].items():
            assert answer.items() <= saved["looks"][host]["sections"][probe].items()


def test_only_the_person_who_runs_it_reads_the_snapshot(tmp_path: Path) -> None:
    os.umask(0o000)
    try:
        for _ in range(2):
            report_files.write(_broken(), tmp_path)
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
            assert modes.pop("gathering.json") == 0o600
            assert set(modes.values()) == {0o644}
    finally:
        os.umask(0o022)


def test_a_report_says_what_has_changed_since_the_last_one(tmp_path: Path) -> None:
    assert report_files.write(Spoiled().judge(), tmp_path) is None
    broken = report_files.write(_broken(), tmp_path)
    names = ("NGX-09 on host1", "KA-01 on host1", "KA-10 on host1", "SYS-05 on host2")
    assert broken and broken.new == names
    still = report_files.write(_broken(), tmp_path)
    assert still and not still.new and "SYS-05 on host2" in still.still
    # What is not asked is not gone.
    part = report_files.write(Spoiled().judge(only="NGX-09"), tmp_path)
    assert part and (part.new, part.gone) == ((), ("NGX-09 on host1",))
    assert not part.still
    text = (tmp_path / "report.html").read_text()
    assert "Since the report of" in text and "1 gone (NGX-09 on host1)" in text
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["since"]["gone"] == ["NGX-09 on host1"] and data["exit"] == 0


@pytest.mark.parametrize("earlier", ["", "{", '{"started": 3}', "\x00"])
def test_an_earlier_report_that_is_none_is_passed_over(tmp_path: Path, earlier: str) -> None:
    (tmp_path / "report.json").write_text(earlier)
    assert report_files.write(_broken(), tmp_path) is None


@pytest.mark.parametrize("content", [None, "", "{}", '{"format": 1, "looks": 3}', "\x00\x01"])
def test_what_is_no_snapshot_is_refused_with_its_name(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "gathering.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"replay = .*gathering\.json"):
        snapshot.load(file)


def test_the_list_and_an_explanation_say_what_and_why() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, highlight=False)
    terminal_report.listing(judge.every_check(), console)
    terminal_report.explanation(judge.find("x-01"), ["ip -j address show"], console)
    text = out.getvalue()
    assert all(check.id in text for check in judge.every_check())
    assert "exactly one machine holds the VIP" in text and "Reads    ip -j address show" in text
