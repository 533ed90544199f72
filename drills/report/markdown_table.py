"""A report as the table that docs/failover.md has: each drill beside another profile's."""

from __future__ import annotations

from collections.abc import Iterator

from drills.report import drill_wording
from drills.results import Baseline, DrillResult, Report, Spread

_HEAD = ("drill", "default", "from – to", "requests lost")
# Less than that is what a busy machine adds, or does not.
NOTHING_S = 0.05


def table(report: Report) -> str:
    """The drills that were measured, in their order; with `against`, what the other one cost."""
    other = report.against
    head = _HEAD + ((other.profile, f"{other.profile} loses", "less outage") if other else ())
    rows = [head, ("---",) * len(head)]
    for drill in report.drills:
        if drill.spread:
            row = (drill.name, *_figures(drill.spread), f"{drill.lost_median or 0:g}")
            rows.append((*row, *_beside(drill, other.of(drill))) if other else row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _figures(spread: Spread) -> Iterator[str]:
    yield _seconds(spread.median_s)
    yield f"{_seconds(spread.min_s).removesuffix(' s')} – {_seconds(spread.max_s)}"


def _seconds(value: float) -> str:
    return f"{round(value, 3):g} s" if value < 0.1 else f"{value:.2f} s"


def _beside(drill: DrillResult, base: Baseline | None) -> tuple[str, str, str]:
    if base is None or base.spread is None or drill.spread is None:
        return "–", "–", ""
    ours, theirs = drill.spread.median_s, base.spread.median_s
    told = drill_wording.ratio(ours, theirs) if max(ours, theirs) >= NOTHING_S else ""
    return _seconds(theirs), f"{base.lost_median:g}", told
