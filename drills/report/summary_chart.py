"""The summary chart: a bar per drill on one scale, with its budget."""

from __future__ import annotations

from dataclasses import dataclass

from drills.results import Baseline, DrillResult, Report, Spread
from report.scales import FromZero
from report.svg import box, element, number
from report.svg import words as text

WIDTH_PX, LEFT_PX, RIGHT_PX = 480.0, 10.0, 470.0
ROW_PX, COMPARED_ROW_PX, AXIS_PX = 30.0, 44.0, 24.0
# Shorter times cannot be distinguished: requests are due every few milliseconds.
LEAST_S = 0.001
LABELS = {0.0: "0", 0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1.0: "1 s", 10.0: "10 s"}


@dataclass(frozen=True)
class Chart:
    """One scale for all rows; `compared` leaves room for a second bar in each."""

    scale: FromZero
    compared: bool

    @property
    def row_px(self) -> float:
        return COMPARED_ROW_PX if self.compared else ROW_PX


def chart(report: Report) -> Chart:
    """Room for everything that is to be drawn."""
    values = [1.0]
    for drill in report.drills:
        base = report.against.of(drill) if report.against else None
        values += [spread.max_s for spread in (drill.spread, base and base.spread) if spread]
        values += [drill.budget.seconds or 0.0, drill.theory.high_s if drill.theory else 0.0]
    scale = FromZero(LEAST_S, max(values) * 1.15, LEFT_PX, RIGHT_PX)
    return Chart(scale, report.against is not None)


def axis(found: Chart) -> str:
    """The scale, to stand above the rows."""
    labels = "".join(
        text(
            found.scale(tick),
            AXIS_PX - 7,
            LABELS.get(round(tick, 6), f"{tick:g} s"),
            class_="s m",
            text_anchor="middle",
        )
        for tick in found.scale.ticks()
        # The last label would be cut at the edge.
        if found.scale(tick) < RIGHT_PX - 5
    )
    return _svg(AXIS_PX, labels, "Scale: seconds, from 0, each line ten times the one before")


def row(found: Chart, drill: DrillResult, base: Baseline | None, says: str) -> str:
    """One drill: bar to the median, whisker from least to most, theory as a tick, budget a line.

    `says`: the same in words, for screen readers.
    """
    scale, height = found.scale, found.row_px
    lines = "".join(f"M{number(scale(tick))} 0V{number(height)}" for tick in scale.ticks())
    parts = [element("path", class_="grid", d=lines)]
    middle = height / 2 if not found.compared else 13.0
    parts.append(_bar(scale, drill.spread, middle, "bar"))
    if base is not None:
        parts.append(_bar(scale, base.spread, 33.0, "base"))
    if drill.theory is not None:
        parts.append(_theory(scale, drill, middle))
    if drill.budget.seconds is not None:
        x = number(scale(drill.budget.seconds))
        parts.append(element("path", class_="budget", d=f"M{x} 0V{number(height)}"))
    return _svg(height, "".join(parts), says)


def _bar(scale: FromZero, spread: Spread | None, middle: float, kind: str) -> str:
    if spread is None:
        return ""
    start = scale(0)
    # At 0 a bar is a short stub: something was measured, and it was nothing.
    width = max(scale(spread.median_s) - start, 4.0)
    bar = element("path", class_=kind, d=box(start, middle - 6, width, 12))
    if spread.min_s == spread.max_s:
        return bar
    low, high = number(scale(spread.min_s)), number(scale(spread.max_s))
    top, at = number(middle - 4), number(middle)
    whisker = f"M{low} {at}H{high}M{low} {top}v8M{high} {top}v8"
    return bar + element("path", class_="whisk", d=whisker)


def _theory(scale: FromZero, drill: DrillResult, middle: float) -> str:
    if drill.theory is None:
        return ""
    low, high = scale(drill.theory.low_s), scale(drill.theory.high_s)
    band = element("path", class_="theoryband", d=box(low, middle - 10, max(high - low, 1.0), 20))
    at = number(scale(drill.theory.expected_s))
    return band + element("path", class_="theory", d=f"M{at} {number(middle - 10)}v20")


def _svg(height: float, inside: str, says: str) -> str:
    return element(
        "svg",
        inside,
        class_="pic",
        viewBox=f"0 0 {WIDTH_PX:g} {height:g}",
        role="img",
        aria_label=says,
    )
