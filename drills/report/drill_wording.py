"""The words of the drills' page: results, ratios, and which repeat represents the others."""

from __future__ import annotations

from drills.analysis.long_lived_counts import count_long_lived
from drills.results import (
    Baseline,
    DrillResult,
    DrillVerdict,
    Measure,
    Repeat,
    Report,
    Spread,
)
from report.wording import count, duration, grouped, listed

# A difference that a second run would not show again.
ABOUT_THE_SAME = 1.15


def median_repeat(drill: DrillResult) -> Repeat | None:
    """The repeat whose measure is the median's, or else whose loss is; None without any."""
    counted = drill.counted or drill.repeats
    if not counted:
        return None
    measured = [repeat for repeat in counted if repeat.measured_s is not None]
    if drill.spread is not None and measured:
        median_s = drill.spread.median_s
        return min(measured, key=lambda repeat: abs((repeat.measured_s or 0.0) - median_s))
    ordered = sorted(counted, key=lambda repeat: repeat.lost_count)
    return ordered[(len(ordered) - 1) // 2]


def shown_as(drill: DrillResult, shown: Repeat) -> str:
    """Which of the repeats it is, where there are several."""
    if len(drill.repeats) < 2:
        return ""
    exact = drill.spread is None or shown.measured_s == drill.spread.median_s
    return ", the median" if exact else ", nearest to the median"


def result(drill: DrillResult, repeat: Repeat) -> str:
    """What one repeat cost: requests, and long-lived connections where there were any."""
    words = _requests(drill, repeat)
    return f"{words}, {count_long_lived(repeat.long_lived)}" if repeat.long_lived else words


def long_lived(drill: DrillResult) -> str:
    """`0 failed, 0 cut`; "" without long-lived connections."""
    if not drill.loads:
        return ""
    found = count_long_lived(*drill.loads)
    return f"{grouped(found.failed)} failed, {grouped(found.cut + found.sessions_cut)} cut"


def _requests(drill: DrillResult, repeat: Repeat) -> str:
    sent = grouped(len(repeat.requests))
    if not repeat.lost_count and repeat.measured_s in (None, 0):
        return f"none of {sent} requests lost"
    lost = f"{grouped(repeat.lost_count)} of {sent} requests lost"
    if repeat.measured_s is None:
        return lost
    if drill.measure is Measure.RECOVERY:
        return f"answered again after {duration(repeat.measured_s)}, {lost}"
    return f"{duration(repeat.measured_s)} outage, {lost}"


def conditions(drill: DrillResult, repeat: Repeat) -> str:
    """How it was measured, in a line."""
    parts = [f"profile {drill.profile}", f"cluster {drill.cluster}", f"repeat {repeat.number}"]
    if len(drill.repeats) > 1:
        parts[-1] += f" of {len(drill.repeats)}"
    if len(repeat.requests) > 1:
        parts.insert(0, f"{1 / repeat.step_s:.0f} requests/s, a new connection each")
    return " · ".join(parts)


def spread(found: Spread | None) -> str:
    """`43 ms (40 to 61 ms)`."""
    if found is None:
        return "not measured"
    if found.min_s == found.max_s:
        return duration(found.median_s)
    low, high = duration(found.min_s), duration(found.max_s)
    if low.split()[1] == high.split()[1]:
        low = low.split()[0]
    return f"{duration(found.median_s)} ({low} to {high})"


def lost_range(drill: DrillResult) -> str:
    """`9 (8 to 12)`: the median of the repeats, and from least to most."""
    median = drill.lost_median
    if median is None:
        return "–"
    counts = [repeat.lost_count for repeat in drill.counted]
    words = f"{median:g}" if median % 1 else grouped(int(median))
    if min(counts) == max(counts):
        return words
    return f"{words} ({grouped(min(counts))} to {grouped(max(counts))})"


def worst(drill: DrillResult) -> str:
    """What the worst repeat cost, and what it may: `0.3 s, 60 lost, ...`; "" without any."""
    counted = drill.counted
    if not counted:
        return ""
    words = [
        duration(max(repeat.measured_s or 0.0 for repeat in counted)),
        f"{most_limited(drill)} lost",
    ]
    if any(limited(repeat) != repeat.lost_count for repeat in counted):
        words[-1] += " after something could serve"
    if (slowest_s := slowest(drill)) is not None:
        words.append(f"slowest answer {duration(slowest_s)}")
    allowed = f" (allowed: {drill.ceiling})" if drill.ceiling else ""
    return ", ".join(words) + allowed


def limited(repeat: Repeat) -> int:
    """How many of its lost requests the ceiling is about; all of them in an older report."""
    return repeat.lost_count if repeat.limited is None else repeat.limited


def most_limited(drill: DrillResult) -> str:
    """`60`, or `0 of 360` where the ceiling is not about all that were lost; the worst repeat's."""
    found = max(drill.counted, key=limited)
    of = "" if limited(found) == found.lost_count else f" of {found.lost_count}"
    return f"{limited(found)}{of}"


def slowest(drill: DrillResult) -> float | None:
    """The slowest answer of the repeats that count, in seconds; None where that is not known."""
    known = [repeat.slowest_s for repeat in drill.counted if repeat.slowest_s is not None]
    return max(known, default=None)


def evidence(drill: DrillResult) -> str:
    """In how many repeats the fault was seen to have bitten, and by what: `5 of 5, ...`."""
    asked = [repeat.evidence for repeat in drill.repeats if repeat.evidence is not None]
    if not asked:
        return ""
    # One that says why not is the one to read.
    shown = next((found for found in asked if not found.bit), asked[-1])
    return f"{sum(found.bit for found in asked)} of {len(asked)}, {shown.text}"


def ratio(ours: float, theirs: float) -> str:
    """How much less ours is than theirs: `×157 less`, `×3.1 more`, `none instead`, `the same`."""
    if ours == theirs:
        return "the same"
    if ours == 0:
        return "none instead"
    if theirs == 0:
        return "they none"
    factor = max(ours, theirs) / min(ours, theirs)
    if factor < ABOUT_THE_SAME:
        return "about the same"
    return f"{times(factor)} {'less' if ours < theirs else 'more'}"


def times(factor: float) -> str:
    return f"×{factor:.0f}" if factor >= 9.95 else f"×{factor:.1f}"


def against(drill: DrillResult, base: Baseline | None) -> str:
    """The comparison of one drill's seconds, or of its lost requests where both took none."""
    if base is None:
        return ""
    if drill.spread and base.spread and (drill.spread.median_s or base.spread.median_s):
        return ratio(drill.spread.median_s, base.spread.median_s)
    lost = drill.lost_median
    return "" if lost is None else ratio(lost, base.lost_median)


def sentence(report: Report) -> str:
    """The verdict on the whole run."""
    of: dict[DrillVerdict, list[str]] = {verdict: [] for verdict in DrillVerdict}
    for drill in report.drills:
        of[drill.verdict].append(named(drill, report))
    failed, void, skipped, passed = (
        of[verdict]
        for verdict in (
            DrillVerdict.FAILED,
            DrillVerdict.VOID,
            DrillVerdict.SKIPPED,
            DrillVerdict.PASSED,
        )
    )
    done = len(failed) + len(void) + len(passed)
    parts: list[str] = []
    if failed:
        parts.append(f"{len(failed)} of {count(done, 'drill')} failed: {listed(failed)}.")
    if void:
        parts.append(f"{count(len(void), 'drill')} could not be measured: {listed(void)}.")
    if not done and not report.to_come:
        parts.append("No drill was done, so that nothing is known.")
    elif not parts and not report.to_come:
        parts.append("The drill passed." if done == 1 else f"All {done} drills passed.")
    if skipped:
        parts.append(f"Skipped: {listed(skipped)}.")
    if report.not_put_back:
        parts.append(f"Not put back: {listed([str(each) for each in report.not_put_back])}.")
    if report.to_come:
        parts.append(f"Still to come when this was written: {listed(list(report.to_come))}.")
    if report.interrupted:
        parts.append(f"Interrupted: {report.interrupted}.")
    return " ".join(parts)


def named(drill: DrillResult, report: Report) -> str:
    return drill.name if len(report.clusters) < 2 else f"{drill.name} on {drill.cluster}"
