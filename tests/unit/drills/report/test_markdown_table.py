"""The table of a report as a document has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drills.report import __main__ as command
from drills.report import markdown_table
from drills.results import Against, Baseline, DrillVerdict, Spread, to_json
from tests.support.drilling import drill_reports


def rows(ours: Spread | None, theirs: Spread | None) -> list[str]:
    report = drill_reports.report()
    drill = replace(report.drills[0], spread=ours)
    base = Baseline(drill.name, drill.cluster, DrillVerdict.PASSED, theirs, 272.0, 1)
    report = replace(report, drills=(drill,), against=Against("classic", "then", (base,)))
    return markdown_table.table(report).splitlines()


def test_a_drill_stands_beside_the_other_profiles() -> None:
    head, line, row = rows(Spread(0.015, 0.0251, 0.4), Spread(1, 1.355, 2))
    assert head.endswith("| classic | classic loses | less outage |")
    assert line == "| --- | --- | --- | --- | --- | --- | --- |"
    assert "| 0.025 s | 0.015 – 0.40 s |" in row
    assert row.endswith("| 1.35 s | 272 | ×54 less |")


def test_what_costs_nothing_is_not_compared_and_what_was_not_done_is_left_out() -> None:
    assert rows(Spread(0, 0, 0), Spread(0, 0.01, 0.02))[2].endswith("| 0.01 s | 272 |  |")
    assert rows(Spread(0, 0, 0), Spread(0, 0.61, 1))[2].endswith("| none instead |")
    assert rows(Spread(0, 0, 0), None)[2].endswith("| – | – |  |")
    assert len(rows(None, None)) == 2


def test_the_command_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "drills.json"
    saved.write_bytes(to_json(drill_reports.report()))
    command.main([str(saved), "--table"])
    assert capsys.readouterr().out.startswith("| drill | default |")
