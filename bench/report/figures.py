"""Figures, ratios and goals as text, for the terminal and the page."""

from __future__ import annotations

from bench.report.bench_result import BenchResult, Comparison, Goal, Series
from report import wording


def figure(value: float, unit: str) -> str:
    """A value with its unit; seconds in the unit that reads best."""
    if unit == "s":
        return _duration(value)
    return f"{_number(value)} {unit}"


def _duration(seconds: float) -> str:
    # `wording.duration` rounds to minutes from here on, too coarse beside a ratio.
    return wording.duration(seconds) if seconds < 100 else f"{seconds:.0f} s"


def _number(value: float) -> str:
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return wording.grouped(int(digits)) if digits.lstrip("-").isdigit() else digits


def spread(series: Series) -> str:
    """`2.4 s (2.3 s–2.6 s)`, `27 MB (25–29)`; one measurement has no spread."""
    median = figure(series.median, series.unit)
    if len(series.values) < 2:
        return median
    if series.unit == "s":
        return f"{median} ({_duration(series.low)}–{_duration(series.high)})"
    return f"{median} ({_number(series.low)}–{_number(series.high)})"


def side(series: Series | None) -> str:
    """Whose measurements, and what they are; "" for none."""
    return f"{series.who}: {spread(series)}" if series else ""


def ratio(row: Comparison) -> str:
    """`12 ×`; "–" without a rival."""
    if row.rival is None:
        return "–"
    found = row.ratio
    if found is None:
        return "∞ ×" if row.rival.median else "0 on both sides"
    return f"{found:.3g} ×"


def goal(wanted: Goal | None, unit: str) -> str:
    """`≥ 12 ×` or `≤ 2.0 s`; "–" without a goal."""
    if wanted is None:
        return "–"
    sign, value = ("≥", wanted.at_least) if wanted.at_most is None else ("≤", wanted.at_most)
    assert value is not None
    return f"{sign} {value:g} ×" if wanted.ratio else f"{sign} {figure(value, unit)}"


def verdict(row: Comparison) -> str:
    """`met`, `not met`, or "–" where the goal cannot be judged."""
    return {True: "met", False: "not met", None: "–"}[row.met]


def machine(result: BenchResult) -> str:
    """The computer and its load, in one line."""
    found = result.machine
    return (
        f"{wording.count(found.cpus, 'CPU')} ({found.model}), "
        f"{wording.grouped(found.memory_mb)} MB, Linux {found.kernel}, "
        f"load {found.load_before:.1f} before and {found.load_after:.1f} afterwards"
    )


def length(result: BenchResult) -> str:
    """The number of measurements behind each median."""
    counts = {len(row.ours.values) for row in result.rows}
    low, high = min(counts, default=0), max(counts, default=0)
    text = wording.count(high, "measurement") if low == high else f"{low} to {high} measurements"
    return f"medians of {text}{', the quick form' if result.quick else ''}"
