"""The drills' page: the verdict, all drills on one chart, then each with its picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from markupsafe import Markup

from drills.analysis.long_lived_counts import count_long_lived
from drills.report import drill_wording, outcome_marks, picture, summary_chart
from drills.results import Audit, Baseline, DrillResult, DrillVerdict, Repeat, Report
from report import wording
from report.html import fill

# The other repeats are for comparison, so that fewer dots are enough.
COARSE_CELL_PX = 4.0
KINDS = {
    DrillVerdict.PASSED: "ok",
    DrillVerdict.FAILED: "fail",
    DrillVerdict.SKIPPED: "skip",
    DrillVerdict.VOID: "unknown",
}


@dataclass(frozen=True)
class SummaryRow:
    """A drill in the summary."""

    anchor: str
    name: str
    cluster: str
    kind: str
    verdict: str
    chart: Markup
    measured: str
    lost: str
    long_lived: str
    base_measured: str
    base_lost: str
    ratio: str


@dataclass(frozen=True)
class RepeatFigure:
    """One repeat with its picture."""

    number: int
    result: str
    note: str
    picture: Markup
    problems: tuple[str, ...]


@dataclass(frozen=True)
class DrillSection:
    """Everything about one drill. `facts`: name and value."""

    anchor: str
    title: str
    name: str
    cluster: str
    breaks: str
    kind: str
    verdict: str
    reasons: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    shown: RepeatFigure | None
    shown_as: str
    others: tuple[RepeatFigure, ...]
    how: str
    audits: tuple[tuple[str, Audit], ...]


def page(report: Report) -> str:
    """The whole page as HTML."""
    done = [drill for drill in report.drills if drill.verdict is not DrillVerdict.SKIPPED]
    chart = summary_chart.chart(report)
    return fill(
        Path(__file__).with_name("templates"),
        "drills.html.j2",
        kind="ok" if report.passed and done else "fail" if not report.passed else "skip",
        sentence=drill_wording.sentence(report),
        compared=_compared(report),
        report=report,
        moment=wording.moment(report.started),
        duration=wording.duration(report.seconds),
        repeats=wording.count(report.repeats, "repeat"),
        verdicts=_verdicts(report),
        machines=[_versions(report, name) for name in range(len(report.clusters))],
        many=len(report.clusters) > 1,
        axis=Markup(summary_chart.axis(chart)),
        rows=[_row(report, drill, chart) for drill in report.drills],
        drills=[_section(report, drill) for drill in report.drills],
        pictures=Markup(outcome_marks.stylesheet()),
    )


def _verdicts(report: Report) -> list[tuple[str, str, int]]:
    found = [drill.verdict for drill in report.drills]
    return [(KINDS[verdict], verdict.value, found.count(verdict)) for verdict in DrillVerdict]


def _versions(report: Report, index: int) -> tuple[str, str]:
    """A cluster's name, and in a line its address and what runs on its nodes."""
    cluster = report.clusters[index]
    nodes: dict[str, list[str]] = {}
    for node in cluster.nodes:
        runs = ", ".join(f"{what} {v}" for what, v in cluster.versions.get(node, {}).items())
        nodes.setdefault(runs, []).append(node)
    words = "; ".join(
        f"{wording.listed(names)}{f' ({runs})' if runs else ''}" for runs, names in nodes.items()
    )
    return cluster.name, f"{cluster.vip} on {words}"


def _compared(report: Report) -> str:
    """What another profile costs, in a sentence."""
    if report.against is None:
        return ""
    pairs = [
        (drill, base.spread.median_s, drill.spread.median_s)
        for drill in report.drills
        if drill.spread and (base := report.against.of(drill)) and base.spread
    ]
    factors = [theirs / ours for _, theirs, ours in pairs if ours > 0 and theirs > 0]
    words = f"Beside it stands the profile {report.against.profile}"
    if factors:
        low, high = drill_wording.times(min(factors)), drill_wording.times(max(factors))
        words += f": {drill_wording.times(median(factors))} the outage"
        if len(factors) > 1:
            words += f" (median of {len(factors)} drills, from {low} to {high})"
    return f"{words}."


def _row(report: Report, drill: DrillResult, chart: summary_chart.Chart) -> SummaryRow:
    base = report.against.of(drill) if report.against else None
    return SummaryRow(
        anchor=_anchor(drill),
        name=drill.name,
        cluster=drill.cluster,
        kind=KINDS[drill.verdict],
        verdict=drill.verdict.value,
        chart=Markup(summary_chart.row(chart, drill, base, _in_words(drill, base))),
        measured=drill_wording.spread(drill.spread),
        lost=drill_wording.lost_range(drill),
        long_lived=drill_wording.long_lived(drill),
        base_measured=_base_measured(base),
        base_lost=f"{base.lost_median:g}" if base else "–",
        ratio=drill_wording.against(drill, base) or "–",
    )


def _in_words(drill: DrillResult, base: Baseline | None) -> str:
    words = f"{drill.name}: {drill_wording.spread(drill.spread)}; budget {drill.budget}"
    return f"{words}; beside it {_base_measured(base)}" if base else words


def _base_measured(base: Baseline | None) -> str:
    if base is None:
        return "not done"
    words = wording.duration(base.spread.median_s) if base.spread else "not measured"
    return words if base.max_holders < 2 else f"{words}; {base.max_holders} holders"


def _theory(drill: DrillResult) -> str:
    return "none" if drill.theory is None else wording.duration(drill.theory.expected_s)


def _section(report: Report, drill: DrillResult) -> DrillSection:
    cluster = next((found for found in report.clusters if found.name == drill.cluster), None)
    nodes = picture.nodes_of(drill, cluster)
    first = drill_wording.median_repeat(drill)
    audits = (("Before", drill.before), ("Afterwards", drill.after))
    return DrillSection(
        anchor=_anchor(drill),
        title=drill.sentence or drill.title,
        name=drill.name,
        cluster=drill.cluster,
        breaks=drill.breaks,
        kind=KINDS[drill.verdict],
        verdict=drill.verdict.value,
        reasons=drill.reasons,
        facts=_facts(drill, report.against.of(drill) if report.against else None),
        shown=_shown(drill, first, nodes, cell=1.5) if first else None,
        shown_as=_shown_as(drill, first),
        others=tuple(
            _shown(drill, repeat, nodes, cell=COARSE_CELL_PX)
            for repeat in drill.repeats
            if repeat is not first
        ),
        how=drill.theory.how if drill.theory else "",
        audits=tuple((when, audit) for when, audit in audits if audit),
    )


def _shown_as(drill: DrillResult, repeat: Repeat | None) -> str:
    """Which of the repeats the picture shows."""
    if repeat is None or len(drill.repeats) < 2:
        return ""
    exact = drill.spread is None or repeat.measured_s == drill.spread.median_s
    return ", the median" if exact else ", nearest to the median"


def _facts(drill: DrillResult, base: Baseline | None) -> tuple[tuple[str, str], ...]:
    """What was measured over all repeats; what does not apply is left out."""
    counted = drill.counted
    if not counted:
        return ()
    found = [(drill.measure.value, drill_wording.spread(drill.spread))]
    if drill.theory:
        found.append(("in theory", _theory(drill)))
    found.append(("budget", str(drill.budget)))
    lost = drill_wording.lost_range(drill)
    classes = drill_wording.classes(drill.lost)
    found.append(("requests lost per repeat", f"{lost}; in all {classes}" if classes else lost))
    for name, values in (
        ("detection", [repeat.detection_s for repeat in counted]),
        ("takeover", [repeat.takeover_s for repeat in counted]),
        ("one holder after", [repeat.one_holder_s for repeat in counted]),
    ):
        known = [value for value in values if value is not None]
        if known:
            most = wording.duration(max(known))
            found.append((name, f"{wording.duration(median(known))}, {most} at the most"))
    found.append(("moves of the address", _from_to([repeat.moves for repeat in counted])))
    holders = [repeat.min_holders for repeat in counted] + [
        repeat.max_holders for repeat in counted
    ]
    found.append(("holders in steady states", _from_to(holders)))
    found += _long_lived(drill)
    if base:
        compared = drill_wording.against(drill, base)
        words = f"{_base_measured(base)}, {base.verdict}"
        found.append(("beside it", f"{words}: {compared}" if compared else words))
    return tuple(found)


def _long_lived(drill: DrillResult) -> Iterator[tuple[str, str]]:
    """The results of the connections and downloads during the drill."""
    work = [one for repeat in drill.counted for one in repeat.long_lived]
    found = count_long_lived(work)
    if found.requests:
        words = f"{wording.grouped(found.requests)}, of which {found.failed} failed"
        if found.reconnected:
            words += f"; {wording.count(found.reconnected, 'connection')} closed while idle"
        yield "keep-alive requests", words
    if found.downloads:
        words = f"{wording.grouped(found.downloads)}, of which {found.cut} were cut"
        yield "downloads", f"{words}; every byte of the others compared"
    if work:
        yield "longest wait for a byte", wording.duration(found.slowest_s)


def _from_to(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _shown(
    drill: DrillResult, repeat: Repeat, nodes: tuple[str, ...], *, cell: float
) -> RepeatFigure:
    lag = f"the prober was late by {wording.duration(repeat.probe_lag_max_s)} at the most"
    return RepeatFigure(
        number=repeat.number,
        result=drill_wording.result(drill, repeat),
        note=f"{wording.moment(repeat.started)}; {lag}"
        + (f"; void: {repeat.void}" if repeat.void else ""),
        picture=Markup(picture.picture(drill, repeat, nodes, cell=cell)),
        problems=repeat.problems,
    )


def _anchor(drill: DrillResult) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{drill.cluster}-{drill.name}")
