"""How a run of drills ends: its exit code, its last sentence, and what it says of the evidence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from drills.report import drill_terminal, drill_wording, drills_page
from drills.results import (
    Audit,
    Ceiling,
    DrillVerdict,
    FaultEvidence,
    NotPutBack,
    Report,
    from_json,
    to_json,
)
from tests.support.drilling import drill_reports
from tests.support.drilling.drill_plans import PLANS
from tests.support.reading_pages import Page
from tests.unit.drills.test_drill_run import REPEAT, report


def with_verdicts(*verdicts: DrillVerdict, interrupted: str = "") -> Report:
    (drill,) = report().drills
    drills = tuple(
        replace(drill, name=f"{verdict}-{number}", verdict=verdict)
        for number, verdict in enumerate(verdicts)
    )
    return replace(report(), drills=drills, interrupted=interrupted)


P, F, S, V = (
    DrillVerdict.PASSED,
    DrillVerdict.FAILED,
    DrillVerdict.SKIPPED,
    DrillVerdict.VOID,
)


@pytest.mark.parametrize(
    ("verdicts", "exit_code", "said"),
    [
        ((P,), 0, "The drill passed."),
        ((P, P, S), 0, "All 2 drills passed. Skipped: skipped-2."),
        ((P, F, V, S), 1, "1 of 3 drills failed: failed-1."),
        ((P, V), 3, "1 drill could not be measured: void-1."),
        ((V,), 3, "1 drill could not be measured: void-0."),
        ((S, S), 3, "No drill was done, so that nothing is known. Skipped: skipped-0 and"),
        ((), 3, "No drill was done, so that nothing is known."),
    ],
)
def test_a_run_exits_with_0_only_where_something_was_done_and_everything_is_known(
    verdicts: tuple[DrillVerdict, ...],
    exit_code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = with_verdicts(*verdicts)
    assert (made.exit_code, made.passed) == (exit_code, exit_code == 0)
    drill_terminal.report(made, drill_terminal.console())
    assert said in capsys.readouterr().out
    interrupted = with_verdicts(*verdicts, interrupted="SIGINT")
    assert interrupted.exit_code == 130
    left = NotPutBack("cable pulled", "web", "host1", "no power", "here: lab plug host1")
    for report_of in (made, interrupted):
        assert replace(report_of, not_put_back=(left,)).exit_code == 1


def test_a_verifier_that_has_not_passed_speaks_against_the_cluster_also_without_a_finding() -> None:
    assert Audit(True, "It holds.").against == ()
    assert Audit(False, "1 unknown", ("X-01 web: two",)).against == ("X-01 web: two",)
    assert Audit(False, "1 unknown").against == ("1 unknown",)


def test_a_report_of_an_earlier_version_is_read() -> None:
    """It has no ceilings and no evidence, and a drill may be without any limit."""
    data = json.loads(to_json(report()))
    (drill,) = data["drills"]
    del drill["ceiling"]
    drill["budget"] = {"moves": 1}
    (repeat,) = drill["repeats"]
    for name in ("evidence", "limited", "slowest_s"):
        del repeat[name]
    older = from_json(json.dumps(data))
    assert older.drills[0].ceiling is None and older.drills[0].repeats[0].evidence is None
    drill_terminal.report(older, drill_terminal.console())
    assert drills_page.page(older)


def test_the_terminal_says_what_shows_that_a_fault_has_bitten(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen, unseen = FaultEvidence(True, "host1: it is gone"), FaultEvidence(False, "it went on")
    (drill,) = report().drills
    repeats = tuple(
        replace(REPEAT, evidence=one, limited=1, slowest_s=0.2) for one in (seen, unseen, seen)
    )
    drill = replace(drill, repeats=repeats, ceiling=Ceiling(0.3, 60, 0.75))
    drill_terminal.report(replace(report(), drills=(drill,)), drill_terminal.console())
    said = capsys.readouterr().out
    assert "nginx-crash  2 of 3, it went on" in said
    assert "≤ 0.3 s, 60 lost, slowest 0.75 s" in said


def test_the_page_says_of_every_repeat_what_shows_that_the_fault_has_bitten() -> None:
    made = drill_reports.report(repeats=2)
    page = Page(drills_page.page(made))
    for drill in made.drills:
        for repeat in drill.repeats:
            assert repeat.evidence is not None
            assert f"repeat {repeat.number}: {repeat.evidence.text}" in page.text
    drill = drill_reports.drill(PLANS[0], repeats=2)
    unseen = FaultEvidence(False, "it went on")
    repeats = (drill.repeats[0], replace(drill.repeats[1], evidence=unseen))
    one = replace(drill_reports.report((), 2), drills=(replace(drill, repeats=repeats),))
    assert "repeat 2: not seen: it went on" in Page(drills_page.page(one)).text
    late = replace(drill.repeats[1], void="the prober was late")
    one = replace(one, drills=(replace(drill, repeats=(drill.repeats[0], late)),))
    assert "it does not count: the prober was late" in Page(drills_page.page(one)).text


def test_the_worst_repeat_stands_beside_its_ceiling() -> None:
    drill = drill_reports.drill(PLANS[1])
    most = max(repeat.lost_count for repeat in drill.repeats)
    said = drill_wording.worst(drill)
    assert f"{most} lost" in said
    assert said.endswith("(allowed: ≤ 1.5 s, 300 lost, slowest 0.75 s)")
    html = drills_page.page(replace(drill_reports.report((), 5), drills=(drill,)))
    assert said in Page(html).text
