"""Judges what a repeat has shown by what its drill may cost. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from drills.analysis import holder_timeline, long_lived_counts, outages
from drills.analysis.expectation import Expectation
from drills.results import (
    Budget,
    DrillVerdict,
    Event,
    FaultInterval,
    HolderSample,
    LongLived,
    Measure,
    Repeat,
    Request,
    RequestOutcome,
    Spread,
    lost_median,
)


def repeat(
    drill: Expectation,
    number: int,
    started: str,
    rate: float,
    requests: Sequence[Request],
    samples: tuple[HolderSample, ...],
    faults: tuple[FaultInterval, ...],
    events: tuple[Event, ...],
    reference_s: float,
    undone_s: float,
    steady_s: float | None,
    end_s: float,
    problems: Sequence[str] = (),
    long_lived: tuple[LongLived, ...] = (),
    void: str = "",
) -> Repeat:
    """Judge one repeat's samples. `void`: another reason why they do not count.

    `undone_s`: when the faults were undone; `steady_s`: when all was as at the start, None if it
    never was; `end_s`: the end of the samples.
    """
    requests = outages.by_due(requests)
    gains = holder_timeline.gains(samples)
    found = outages.windows(requests, gains)
    recovery = drill.measure is Measure.RECOVERY
    judged = [window for window in found if not recovery or window.to_s >= reference_s]
    worst = max(judged, key=lambda window: window.outage_s, default=None)
    begun_s = worst.from_s if worst and not recovery else reference_s
    # Where recovery is counted, a move before its beginning was another one.
    ended_s = worst.to_s if worst else begun_s
    taken = (at for at, _ in gains if worst and begun_s <= at <= ended_s + outages.JOIN_S)
    moved_s = next(taken, None)
    moves = [at for at, _ in gains if _began(faults) <= at <= undone_s]
    # Several nodes may hold it until the fault is undone: then the time counts from there on.
    until_undone = (reference_s, max(undone_s, reference_s + 0.001))
    awaited = until_undone if drill.one_holder else (max(reference_s, undone_s), end_s)
    fewest, most = holder_timeline.fewest_and_most(
        samples,
        _steady(drill, faults, reference_s, undone_s, steady_s, end_s),
        move_s=drill.steady_s,
        answers=outages.answers(requests),
    )
    made = Repeat(
        number=number,
        started=started,
        duration_s=round(end_s, 3),
        requests=tuple(requests),
        holders=samples,
        faults=faults,
        events=events,
        windows=found,
        lost=outages.lost(requests),
        measured_s=round(ended_s - begun_s, 4),
        reference_s=round(reference_s, 4),
        detection_s=None if moved_s is None else moved_s - begun_s,
        takeover_s=None if moved_s is None else max(0.0, ended_s - moved_s),
        one_holder_s=holder_timeline.one_holder_s(samples, *awaited),
        moves=len(moves),
        min_holders=fewest,
        max_holders=most,
        probe_lag_max_s=outages.lag_max_s(requests),
        void=outages.void(requests, rate) or void,
        problems=tuple(problems),
        long_lived=long_lived,
    )
    if drill.long_lived and not made.void:
        broken = long_lived_counts.problems(long_lived, drill.budget, _began(faults), undone_s)
        made = replace(made, problems=(*made.problems, *broken))
    return replace(made, problems=(*made.problems, *_problems(made, drill.budget)))


def _began(faults: Sequence[FaultInterval]) -> float:
    return min((fault.from_s for fault in faults), default=0.0)


def _steady(
    drill: Expectation,
    faults: Sequence[FaultInterval],
    reference_s: float,
    undone_s: float,
    steady_s: float | None,
    end_s: float,
) -> list[tuple[float, float]]:
    """The intervals in which exactly one node has to hold the address, in seconds."""
    # Empty where the fault was prepared before the first request.
    found = [(0.0, _began(faults))]
    if drill.one_holder:
        found.append((reference_s + drill.steady_s, undone_s))
    if steady_s is not None:
        found.append((steady_s, end_s))
    return [(begin, end) for begin, end in found if begin < end]


def _problems(made: Repeat, budget: Budget) -> Iterator[str]:
    """What a repeat has shown that must not be, in words."""
    if any(window.open for window in made.windows):
        yield "requests were lost at the very beginning or end: the outage has no end"
    strict = budget.lost is not None and not budget.loss_is_time
    if not made.void and strict and made.lost_count > (budget.lost or 0):
        yield f"{by_outcome(made.lost)} lost, and {budget.lost} are allowed"
    if budget.moves is not None and made.moves > budget.moves:
        allowed = "none is" if budget.moves == 0 else f"{budget.moves} is"
        yield f"the address moved {made.moves} times, and {allowed} allowed"
    if budget.one_holder_s is not None:
        if made.one_holder_s is None:
            yield "there was not one holder again while the fault lasted"
        elif budget.timed and made.one_holder_s > budget.one_holder_s:
            took = f"one holder after {made.one_holder_s:.2f} s"
            yield f"{took}, and {budget.one_holder_s:g} s are allowed"
    if (made.min_holders, made.max_holders) != (1, 1):
        what = f"{made.min_holders} to {made.max_holders} holders"
        yield f"{what} where it has to be exactly one"


def by_outcome(lost: dict[RequestOutcome, int]) -> str:
    """`14 refused, 2 reset`, the commonest first; "" when none was lost."""
    ordered = Counter(lost).most_common()
    return ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in ordered)


def spread(repeats: Sequence[Repeat]) -> Spread | None:
    """The measured seconds of the repeats that count; None when there is none."""
    values = [r.measured_s for r in repeats if not r.void and r.measured_s is not None]
    if not values:
        return None
    return Spread(min(values), round(statistics.median(values), 4), max(values))


def over_all(
    drill: Expectation, repeats: Sequence[Repeat], audit_bad: Sequence[str]
) -> tuple[DrillVerdict, tuple[str, ...]]:
    """The drill's verdict and its reasons.

    The seconds are judged by their median, as the budget is meant, and so is what is lost where the
    address moves: a request in flight at that very moment is cut. Everything else is judged in
    every repeat: a second holder, or a request lost where nothing moves, is wrong also once.
    """
    counted = [made for made in repeats if not made.void]
    reasons: list[str] = []
    budget = drill.budget
    allowed = budget.lost if budget.timed or not budget.loss_is_time else None
    lost = lost_median(counted)
    if lost is not None and allowed is not None and lost > allowed:
        reasons.append(f"{lost:g} requests lost (median), and {allowed} are allowed")
    found = spread(repeats)
    limit = budget.seconds if budget.timed else None
    if found and limit is not None and found.median_s > limit:
        reasons.append(f"{found.median_s:.3f} s (median), and {limit:g} s are allowed")
    reasons += [f"repeat {made.number}: {text}" for made in repeats for text in made.problems]
    reasons += [f"the verifier afterwards: {text}" for text in audit_bad]
    if reasons:
        return DrillVerdict.FAILED, tuple(reasons)
    if not counted:
        return DrillVerdict.VOID, tuple(made.void for made in repeats)
    return DrillVerdict.PASSED, ()


def sentence(drill: Expectation, repeats: Sequence[Repeat]) -> str:
    """The result in words, for a title."""
    found = spread(repeats)
    counted = [made for made in repeats if not made.void]
    if found is None:
        return f"{drill.title}: nothing was measured"
    times = "" if len(counted) == 1 else f" (median of {len(counted)})"
    most_lost = max(made.lost_count for made in counted)
    median_lost = round(lost_median(counted) or 0)
    moves = max(made.moves for made in counted)
    moved = f", the address moved {moves} times" if drill.budget.moves and moves > 1 else ""
    if drill.long_lived:
        work = (one for made in counted for one in made.long_lived)
        moved += f"; {long_lived_counts.count_long_lived(work)}"
    moved += "".join(f"; {note}" for note in counted[-1].notes)
    if most_lost == 0:
        often = "" if len(counted) == 1 else f" in {len(counted)} repeats"
        return f"{drill.title}: no request lost{often}{moved}"
    if found.median_s == 0:
        worst = f"{most_lost} at worst, {found.max_s:.3f} s"
        return f"{drill.title}: no request lost in most of {len(counted)} repeats ({worst}){moved}"
    word = "request" if median_lost == 1 else "requests"
    what = "answered again after" if drill.measure is Measure.RECOVERY else "no answer for"
    return f"{drill.title}: {what} {found.median_s:.3f} s{times}, {median_lost} {word} lost{moved}"
