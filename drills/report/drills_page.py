"""The drills' page: the verdict, all drills on one chart, then each with its picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from markupsafe import Markup

from drills.analysis.long_lived_counts import count_long_lived
from drills.analysis.outages import by_outcome
from drills.report import drill_wording, outcome_marks, picture, summary_chart
from drills.results import (
    UNKNOWN,
    Baseline,
    ClusterInfo,
    DrillResult,
    DrillVerdict,
    Repeat,
    Report,
)
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

# By exit code.
ENDINGS = {0: "ok", UNKNOWN: "unknown"}


def page(report: Report) -> str:
    """The whole page as HTML. The template asks for words and pictures of each drill itself."""
    scale = summary_chart.scale(report)
    clusters = {cluster.name: cluster for cluster in report.clusters}

    def chart(drill: DrillResult, base: Baseline | None) -> Markup:
        says = f"{drill.name}: {drill_wording.spread(drill.spread)}; budget {drill.budget}"
        says += f"; at worst {drill.ceiling}" if drill.ceiling else ""
        says += f"; beside it {base_measured(base)}" if base else ""
        return Markup(summary_chart.row(scale, drill, base, says))

    def drawn(drill: DrillResult, repeat: Repeat, cell: float = 1.5) -> Markup:
        nodes = picture.nodes_of(drill, clusters.get(drill.cluster))
        return Markup(picture.picture(drill, repeat, nodes, cell=cell))

    return fill(
        Path(__file__).with_name("templates"),
        "drills.html.j2",
        kind=ENDINGS.get(report.exit_code, "fail"),
        kinds=KINDS,
        words=drill_wording,
        wording=wording,
        sentence=drill_wording.sentence(report),
        compared=_compared(report),
        report=report,
        machines=[_versions(cluster) for cluster in report.clusters],
        many=len(report.clusters) > 1,
        axis=Markup(summary_chart.axis(scale)),
        chart=chart,
        base_measured=base_measured,
        anchor=_anchor,
        facts=_facts,
        picture=drawn,
        coarse=COARSE_CELL_PX,
        pictures=Markup(outcome_marks.stylesheet()),
    )


def _versions(cluster: ClusterInfo) -> tuple[str, str]:
    """A cluster's name, and in a line its address and what runs on its nodes."""
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


def base_measured(base: Baseline | None) -> str:
    if base is None:
        return "not done"
    words = wording.duration(base.spread.median_s) if base.spread else "not measured"
    return words if base.max_holders < 2 else f"{words}; {base.max_holders} holders"


def _facts(drill: DrillResult, base: Baseline | None) -> Iterator[tuple[str, str]]:
    """What was measured over all repeats; what does not apply is left out."""
    counted = drill.counted
    if not counted:
        return
    yield drill.measure, drill_wording.spread(drill.spread)
    if drill.theory:
        yield "in theory", wording.duration(drill.theory.expected_s)
    yield "budget of the median", str(drill.budget)
    yield "the worst repeat", drill_wording.worst(drill)
    lost = drill_wording.lost_range(drill)
    classes = by_outcome(drill.lost)
    yield "requests lost per repeat", f"{lost}; in all {classes}" if classes else lost
    for name, values in (
        ("detection", [repeat.detection_s for repeat in counted]),
        ("takeover", [repeat.takeover_s for repeat in counted]),
        ("one holder after", [repeat.one_holder_s for repeat in counted]),
    ):
        known = [value for value in values if value is not None]
        if known:
            most = wording.duration(max(known))
            yield name, f"{wording.duration(median(known))}, {most} at the most"
    announced = counted[-1].announced
    moves = "withdrawals of the address" if announced else "moves of the address"
    yield moves, _from_to([repeat.moves for repeat in counted])
    holders = [count for made in counted for count in (made.min_holders, made.max_holders)]
    steady = "nodes that announce it" if announced else "holders"
    yield f"{steady} in steady states", _from_to(holders)
    yield from _long_lived(drill)
    if base:
        compared = drill_wording.against(drill, base)
        words = f"{base_measured(base)}, {base.verdict}"
        yield "beside it", f"{words}: {compared}" if compared else words


def _long_lived(drill: DrillResult) -> Iterator[tuple[str, str]]:
    """The results of the connections and downloads during the drill."""
    found = count_long_lived(*drill.loads)
    if found.requests:
        words = f"{wording.grouped(found.requests)}, of which {found.failed} failed"
        if found.reconnected:
            words += f"; {wording.count(found.reconnected, 'connection')} closed while idle"
        yield "keep-alive requests", words
    if found.downloads:
        words = f"{wording.grouped(found.downloads)}, of which {found.cut} were cut"
        yield "downloads", f"{words}; every byte of the others compared"
    if found.sessions:
        words = f"{wording.grouped(found.sessions)}, of which {found.sessions_cut} were cut"
        yield "stream sessions", words
    if drill.loads:
        yield "longest wait for a byte", wording.duration(found.slowest_s)


def _from_to(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _anchor(drill: DrillResult) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{drill.cluster}-{drill.name}")
