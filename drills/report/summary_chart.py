"""The summary chart: a bar per drill on one scale, with its budget."""

from __future__ import annotations

from drills.results import Baseline, DrillResult, Report, Spread, Theory
from report.scales import FromZero
from report.svg import box, element, number, picture, whisker
from report.svg import words as text

WIDTH_PX, LEFT_PX, RIGHT_PX = 480.0, 10.0, 470.0
ROW_PX, COMPARED_ROW_PX, AXIS_PX = 30.0, 44.0, 24.0
# Shorter times cannot be distinguished: requests are due every few milliseconds.
LEAST_S = 0.001
LABELS = {0.0: "0", 0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1.0: "1 s", 10.0: "10 s"}


def scale(report: Report) -> FromZero:
    """With room for everything that is to be drawn."""
    values = [1.0]
    for drill in report.drills:
        base = report.against.of(drill) if report.against else None
        values += [spread.max_s for spread in (drill.spread, base and base.spread) if spread]
        values += [drill.budget.seconds or 0.0, drill.theory.high_s if drill.theory else 0.0]
    return FromZero(LEAST_S, max(values) * 1.15, LEFT_PX, RIGHT_PX)


def axis(scale: FromZero) -> str:
    """The scale, to stand above the rows."""
    labels = (
        text(
            scale(tick),
            AXIS_PX - 7,
            LABELS.get(round(tick, 6), f"{tick:g} s"),
            class_="s m",
            text_anchor="middle",
        )
        for tick in scale.ticks()
        # The last label would be cut at the edge.
        if scale(tick) < RIGHT_PX - 5
    )
    says = "Scale: seconds, from 0, each line ten times the one before"
    return picture(WIDTH_PX, AXIS_PX, says, *labels)


def row(scale: FromZero, drill: DrillResult, base: Baseline | None, says: str) -> str:
    """One drill: bar to the median, whisker from least to most, theory as a tick, budget a line.

    `says`: the same in words, for screen readers.
    """
    height = COMPARED_ROW_PX if base else ROW_PX
    middle = 13.0 if base else height / 2
    lines = "".join(f"M{number(scale(tick))} 0V{number(height)}" for tick in scale.ticks())
    parts = [element("path", class_="grid", d=lines), _bar(scale, drill.spread, middle, "bar")]
    if base:
        parts.append(_bar(scale, base.spread, 33.0, "base"))
    if drill.theory:
        parts.append(_theory(scale, drill.theory, middle))
    if drill.budget.seconds is not None:
        x = number(scale(drill.budget.seconds))
        parts.append(element("path", class_="budget", d=f"M{x} 0V{number(height)}"))
    return picture(WIDTH_PX, height, says, *parts)


def _bar(scale: FromZero, spread: Spread | None, middle: float, kind: str) -> str:
    if spread is None:
        return ""
    start = scale(0)
    # At 0 a bar is a short stub: something was measured, and it was nothing.
    width = max(scale(spread.median_s) - start, 4.0)
    bar = element("path", class_=kind, d=box(start, middle - 6, width, 12))
    return bar + whisker(scale(spread.min_s), scale(spread.max_s), middle)


def _theory(scale: FromZero, theory: Theory, middle: float) -> str:
    low, high = scale(theory.low_s), scale(theory.high_s)
    band = element("path", class_="theoryband", d=box(low, middle - 10, max(high - low, 1.0), 20))
    at = number(scale(theory.expected_s))
    return band + element("path", class_="theory", d=f"M{at} {number(middle - 10)}v20")
