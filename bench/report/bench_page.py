"""The benches' HTML page: each figure as a bar beside its rival's, with spread and goal."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from bench.report import figures
from bench.report.bench_result import BenchResult, Comparison, Series
from report import palette, wording
from report.html import fill
from report.svg import box, element, number, picture, whisker

WIDTH_PX, LEFT_PX, BAR_PX = 340.0, 4.0, 13.0
KINDS = {True: "ok", False: "fail", None: "skip"}


def page(results: list[BenchResult]) -> str:
    """The whole page as HTML."""
    met = [row.met for result in results for row in result.rows]
    reached, missed = met.count(True), met.count(False)
    return fill(
        Path(__file__).with_name("templates"),
        "bench.html.j2",
        kind="ok" if reached and not missed else "fail" if missed else "skip",
        sentence=f"{reached} of {wording.count(reached + missed, 'goal')} met",
        results=results,
        figures=figures,
        wording=wording,
        chart=_chart,
        kinds=KINDS,
        pictures=Markup(palette.stylesheet()),
    )


def _chart(row: Comparison) -> Markup:
    """Both bars on one scale from 0, and the goal as a line if it is a value, not a ratio."""
    shown = [series for series in (row.ours, row.rival) if series]
    limit = None if row.goal is None or row.goal.ratio else row.goal.at_most or row.goal.at_least
    most = max(*(series.high for series in shown), limit or 0.0, 1e-9)
    scale = (WIDTH_PX - 2 * LEFT_PX) / most
    height = 8 + len(shown) * (BAR_PX + 4)
    parts = [
        _bar(series, 6 + index * (BAR_PX + 4), scale, kind)
        for index, (series, kind) in enumerate(zip(shown, ("bar", "base"), strict=False))
    ]
    if limit is not None:
        x = number(LEFT_PX + limit * scale)
        parts.append(element("path", class_="budget", d=f"M{x} 0V{number(height)}"))
    label = f"{row.what}: {figures.side(row.ours)}; {figures.side(row.rival)}"
    return Markup(picture(WIDTH_PX, height, label, *parts))


def _bar(series: Series, top: float, scale: float, kind: str) -> str:
    bar = element("path", class_=kind, d=box(LEFT_PX, top, max(series.median * scale, 2.0), BAR_PX))
    low, high = LEFT_PX + series.low * scale, LEFT_PX + series.high * scale
    return bar + whisker(low, high, top + BAR_PX / 2)
