"""The drills' page and pictures: every lost request is drawn, and said what it means."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from drills.report import __main__ as command
from drills.report import drill_wording, drills_page, picture, picture_lanes, summary_chart
from drills.report.outcome_marks import MARKS, stylesheet
from drills.results import (
    MEANING,
    ClusterInfo,
    DrillResult,
    DrillVerdict,
    HolderSample,
    Kind,
    LongLived,
    Report,
    RequestOutcome,
    Window,
    to_json,
)
from tests.support.drilling import drill_reports
from tests.support.drilling.drill_plans import PLANS, DrillPlan
from tests.support.reading_pages import Page

SVG = "{http://www.w3.org/2000/svg}"
ALL_CLASSES = DrillPlan(
    "everything",
    "everything goes wrong",
    tuple((outcome, 0.05) for outcome in RequestOutcome if outcome is not RequestOutcome.OK),
)


@cache
def _report() -> Report:
    return drill_reports.report(repeats=2)


@cache
def _html() -> str:
    return drills_page.page(_report())


def _group(svg: str, name: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    return next(group for group in root.iter(f"{SVG}g") if group.get("class") == name)


def _dots(group: ElementTree.Element, outcome: RequestOutcome) -> int:
    paths = [path.get("d", "") for path in group if path.get("class") == outcome.value]
    return sum(len(re.findall("M", path)) for path in paths)


def _words(svg: str) -> str:
    return "\n".join(
        "".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    )


@pytest.mark.parametrize("plan", [*PLANS, ALL_CLASSES], ids=lambda plan: plan.name)
def test_every_lost_request_is_drawn(plan: DrillPlan) -> None:
    drill = drill_reports.drill(plan, repeats=1)
    svg = picture.drill_svg(drill)
    if not drill.repeats:
        assert svg == ""
        return
    whole = _group(svg, "whole")
    for outcome in RequestOutcome:
        if outcome is not RequestOutcome.OK:
            assert _dots(whole, outcome) == drill.repeats[0].lost.get(outcome, 0), outcome


def test_coarse_pictures_draw_every_lost_request_too() -> None:
    drill = drill_reports.drill(ALL_CLASSES, repeats=1)
    made = drill.repeats[0]
    fine = picture.picture(drill, made, ("host1", "host2"), alone=True)
    coarse = picture.picture(drill, made, ("host1", "host2"), alone=True, cell=8)
    assert len(coarse) < len(fine)
    for outcome, count in made.lost.items():
        assert _dots(_group(coarse, "whole"), outcome) == count


def test_the_legend_has_the_classes_that_occurred_and_no_others() -> None:
    drill = drill_reports.drill(ALL_CLASSES, repeats=1)
    said = _words(picture.drill_svg(drill))
    for outcome, count in drill.repeats[0].lost.items():
        assert f"{count} {MARKS[outcome].word}: {MEANING[outcome]}" in said
    calm = _words(picture.drill_svg(drill_reports.drill(PLANS[2], repeats=1)))
    assert "answered: " in calm
    assert not [m for o, m in MARKS.items() if o is not RequestOutcome.OK and f"{m.word}: " in calm]


def test_each_class_has_its_own_look_in_light_and_in_dark() -> None:
    assert set(MARKS) == set(RequestOutcome)
    assert len({mark.light for mark in MARKS.values()}) == len(MARKS)
    assert len({mark.dark for mark in MARKS.values()}) == len(MARKS)
    # Colour is not all that tells them apart.
    assert len({(mark.path, mark.style) for mark in MARKS.values()}) == len(MARKS)
    for outcome in RequestOutcome:
        assert stylesheet().count(f".pic .{outcome}{{") == 2


def test_a_drill_without_outage_says_that_nothing_was_lost() -> None:
    drill = drill_reports.drill(PLANS[2])
    assert drill_wording.result(drill, drill.repeats[0]) == "none of 2\u202f400 requests lost"
    svg = picture.drill_svg(drill)
    assert 'class="close"' not in svg and 'class="lost"' not in svg
    scale = summary_chart.scale(drill_reports.report((PLANS[2],), 1, compared=False))
    assert 'class="bar"' in summary_chart.row(scale, drill, None, "")


def test_a_short_outage_is_shown_from_close_by() -> None:
    drill = drill_reports.drill(PLANS[0])
    shown = drill_wording.median_repeat(drill)
    assert shown is not None
    close = _group(picture.drill_svg(drill), "close")
    assert _dots(close, RequestOutcome.REFUSED) == shown.lost[RequestOutcome.REFUSED]
    assert "detection" in ElementTree.tostring(close, encoding="unicode")


def test_an_outage_without_end_is_at_least_so_long() -> None:
    drill = drill_reports.drill(PLANS[11], repeats=1)
    lost = drill.repeats[0].lost
    made = replace(drill.repeats[0], windows=(Window(3.0, 22.0, lost, None, open=True),))
    assert "at least 19.0 s" in _words(picture.drill_svg(replace(drill, repeats=(made,))))


def test_the_shown_repeat_is_the_median_one() -> None:
    drill = drill_reports.drill(PLANS[1])
    shown = drill_wording.median_repeat(drill)
    assert shown is not None and drill.spread is not None
    assert shown.measured_s == drill.spread.median_s


def test_the_lane_of_losses_counts_all_of_them() -> None:
    made = drill_reports.drill(ALL_CLASSES, repeats=1).repeats[0]
    bins = picture_lanes.lost_bins(made.requests)
    assert sum(lost for lost, _ in bins.values()) == made.lost_count
    assert {due for _, due in bins.values()} == {20}


def test_two_holders_at_a_time_are_both_in_their_lanes() -> None:
    made = drill_reports.drill(PLANS[2], repeats=1).repeats[0]
    both = (HolderSample(0, ("host1",)), HolderSample(2, ("host1", "host2")), HolderSample(4, ()))
    for node, from_s in (("host1", 0), ("host2", 2)):
        (run,) = picture_lanes.holding(replace(made, holders=both), node)
        assert (run.node, run.from_s, run.to_s) == (node, from_s, 4)


def test_the_page_is_well_formed_fetches_nothing_and_is_not_large() -> None:
    page = Page(_html())
    assert page.faults == [] and page.fetches == []
    assert len(_html().encode()) < 5_000_000 / 22 * len(_report().drills) / 2


def test_the_page_names_what_failed_and_has_a_row_and_a_part_for_each_drill() -> None:
    page = Page(_html())
    assert "1 of 21 drills failed: cpu-starved." in page.text
    assert page.count("article") == len(_report().drills)
    done = [drill for drill in _report().drills if drill.repeats]
    assert page.count("details") == len(done)
    for drill in _report().drills:
        assert f"web-{drill.name}" in page.ids
        for reason in drill.reasons:
            assert reason in page.text


def test_another_profile_stands_beside_as_ratios() -> None:
    assert "Beside it stands the profile classic" in _html()
    assert re.search(r"×1\d\d less", _html())
    assert "not measured; 2 holders" in _html()
    alone = drills_page.page(drill_reports.report(PLANS[:2], 1, compared=False))
    assert "less" not in Page(alone).text and 'class="base"' not in alone


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (0.043, 6.77, "×157 less"),
        (1.0, 2.5, "×2.5 less"),
        (3.0, 1.0, "×3.0 more"),
        (1.0, 1.1, "about the same"),
        (0, 0, "the same"),
        (0, 3, "none instead"),
        (3, 0, "they none"),
    ],
)
def test_a_ratio_says_which_way(ours: float, theirs: float, said: str) -> None:
    assert drill_wording.ratio(ours, theirs) == said


def test_all_passed_is_said_in_a_sentence() -> None:
    report = drill_reports.report(PLANS[:3], 1, passed=True)
    assert drill_wording.sentence(report) == "All 3 drills passed."
    stopped = replace(report, interrupted="Ctrl-C")
    assert drill_wording.sentence(stopped).endswith("Interrupted: Ctrl-C.")
    assert 'class="verdict fail"' in drills_page.page(stopped)


def test_what_machines_say_is_text() -> None:
    nasty = "<script>alert(1)</script>"
    report = drill_reports.report(PLANS[:1], 1)
    drill = report.drills[0]
    made = drill.repeats[0]
    made = replace(
        made,
        faults=tuple(replace(fault, label=nasty) for fault in made.faults),
        events=tuple(replace(event, text=nasty) for event in made.events),
    )
    drill = replace(drill, title=nasty, sentence=nasty, reasons=(nasty,), repeats=(made,))
    html = drills_page.page(replace(report, drills=(drill,), interrupted=nasty))
    assert "<script" not in html and Page(html).faults == []
    assert "<script" not in picture.drill_svg(drill)


def test_several_clusters_are_kept_apart() -> None:
    report = drill_reports.report(PLANS[:1], 1)
    shop = ClusterInfo("shop", "10.0.0.9/24", ("a", "b", "c"))
    more = replace(report.drills[0], cluster="shop")
    page = Page(
        drills_page.page(
            replace(report, clusters=(*report.clusters, shop), drills=(*report.drills, more))
        )
    )
    assert page.faults == [] and {"web-nginx-crash", "shop-nginx-crash"} <= set(page.ids)


def test_a_picture_stands_alone(tmp_path: Path) -> None:
    svg = picture.drill_svg(_report().drills[0], drill_reports.CLUSTER)
    assert "prefers-color-scheme:dark" in svg and "url(" not in svg
    assert "nginx is killed on the holder: " in _words(svg)
    written = command.draw(_report(), tmp_path)
    assert len(written) == len([drill for drill in _report().drills if drill.repeats])


def test_the_command_renders_a_saved_report(tmp_path: Path) -> None:
    saved = tmp_path / "drills.json"
    report = drill_reports.report(PLANS[:1], 1)
    saved.write_bytes(to_json(report))
    page, pictures = tmp_path / "new" / "report.html", tmp_path / "pictures"
    command.main([str(saved), "--html", str(page), "--pictures", str(pictures)])
    assert page.read_text() == drills_page.page(report)
    assert (pictures / "nginx-crash.svg").exists()


def test_the_command_refuses_what_is_no_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(SystemExit, match="2"):
        command.main([str(other)])
    assert "is no report of drills" in capsys.readouterr().err


def _with_long_lived_load() -> DrillResult:
    work = (
        *(LongLived(Kind.DOWNLOAD, number * 0.1, 9, 1, 64 << 20) for number in range(9)),
        LongLived(Kind.DOWNLOAD, 0, 4, 1, 900, "reset"),
        LongLived(Kind.KEEP_ALIVE, 0, 3, 8, 90, "", True),
        LongLived(Kind.KEEP_ALIVE, 3, 5, 7, 90, "read_timeout"),
        LongLived(Kind.KEEP_ALIVE, 5, 12, 30, 90),
    )
    drill = drill_reports.drill(PLANS[2], repeats=1)
    return replace(drill, repeats=(replace(drill.repeats[0], long_lived=work),))


def test_long_lived_connections_that_were_cut_are_counted() -> None:
    html = drills_page.page(replace(drill_reports.report((), 1), drills=(_with_long_lived_load(),)))
    said = Page(html).text
    assert Page(html).faults == []
    assert "1 failed, 1 cut" in said
    assert "45, of which 1 failed; 1 connection closed while idle" in said
    assert "10, of which 1 were cut; every byte of the others compared" in said
    assert "1 of 45 keep-alive requests failed (1 reconnected), 1 of 10 downloads cut" in said


def test_each_connection_that_was_cut_is_drawn_in_its_lane() -> None:
    svg = picture.drill_svg(_with_long_lived_load(), drill_reports.CLUSTER)
    said = _words(svg)
    assert "keep-alive clients" in said and "downloads running" in said
    assert "up to 10" in said
    lost = [path.get("d", "") for path in _group(svg, "whole") if path.get("class") == "lost"]
    assert [path.count("M") for path in lost] == [1, 1]
    (renewed,) = [path for path in _group(svg, "whole") if path.get("class") == "whisk"]
    assert renewed.get("d", "").count("M") == 1
    assert "downloads running" not in picture.drill_svg(drill_reports.drill(PLANS[2]))


def test_a_report_without_any_drill_done_is_a_page_too() -> None:
    assert "No drill was done, so that nothing is known." in drills_page.page(
        drill_reports.report((), 1)
    )
    skipped = drill_reports.report((PLANS[18],), 1)
    assert skipped.drills[0].verdict is DrillVerdict.SKIPPED
    assert Page(drills_page.page(skipped)).faults == []
