"""Judges what a repeat has shown by what its drill may cost. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from drills.analysis import long_lived_counts, outages, repeat_problems
from drills.analysis.expectation import Expectation
from drills.analysis.fault_evidence import Observed
from drills.results import (
    DrillVerdict,
    Event,
    FaultInterval,
    HolderSample,
    LongLived,
    Measure,
    Repeat,
    Request,
    Sight,
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
    sights: tuple[Sight, ...] = (),
    unwatched: str = "",
    void: str = "",
) -> Repeat:
    """Judge one repeat's samples. `void`: why the long-lived load is no witness; `unwatched`: why
    the timeline of holders (`samples`) is none; "" if they are.

    Whoever is a witness is heard: what the prober, the monitor or the load has seen go wrong is a
    problem also of a repeat that does not count because of something else.

    `undone_s`: when the faults were undone; `steady_s`: when all was as at the start, None if it
    never was; `end_s`: the end of the samples. `sights`: what machines showed of the fault.
    """
    requests = outages.by_due(requests)
    moments = drill.rules.moments(samples)
    found = outages.windows(requests, moments)
    recovery = drill.measure is Measure.RECOVERY
    judged = [window for window in found if not recovery or window.to_s >= reference_s]
    worst = max(judged, key=lambda window: window.outage_s, default=None)
    begun_s = worst.from_s if worst and not recovery else reference_s
    # Where recovery is counted, a move before its beginning was another one.
    ended_s = worst.to_s if worst else begun_s
    taken = (at for at, _ in moments if worst and begun_s <= at <= ended_s + outages.JOIN_S)
    moved_s = next(taken, None)
    began_s = _began(faults)
    moves = [at for at, _ in moments if began_s <= at <= undone_s]
    # Several nodes may hold it until the fault is undone: then the time counts from there on.
    until_undone = (reference_s, max(undone_s, reference_s + 0.001))
    awaited = until_undone if drill.one_holder else (max(reference_s, undone_s), end_s)
    fewest, most = drill.rules.fewest_and_most(
        samples,
        _steady(drill, faults, reference_s, undone_s, steady_s, end_s),
        drill.steady_s,
        outages.answers(requests),
    )
    evidence = drill.evidence(
        Observed(sights, samples, requests, began_s, reference_s, max(undone_s, reference_s))
    )
    # Who watches comes first: without witnesses nobody knows whether the fault has bitten.
    unwatched = unwatched or drill.rules.void(samples, outages.answers(requests))
    unasked = outages.void(requests, rate, end_s)
    reasons = [unasked, unwatched, void]
    if drill.long_lived:
        # What was prepared began before the load did.
        reasons.append(long_lived_counts.void(long_lived, max(0.0, began_s), undone_s))
    if not evidence.bit:
        reasons.append(f"nothing shows that the fault has bitten: {evidence.text}")
    known = () if unwatched else samples
    limited = outages.outside(
        requests, repeat_problems.unlimited(drill, known, requests, began_s, reference_s)
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
        one_holder_s=drill.rules.settled_s(samples, *awaited),
        moves=len(moves),
        min_holders=fewest,
        max_holders=most,
        probe_lag_max_s=outages.lag_max_s(requests),
        void=next(filter(None, reasons), ""),
        long_lived=long_lived,
        evidence=evidence,
        limited=sum(outages.lost(limited).values()),
        slowest_s=outages.slowest_s(requests),
        announced=drill.rules.announced,
    )
    wrong = [*problems]
    if not unwatched:
        wrong += drill.rules.problems(made, drill.budget)
    if not unasked:
        wrong += repeat_problems.of_requests(made, drill, rate, limited, began_s)
    if drill.long_lived and not void:
        wrong += long_lived_counts.problems(long_lived, drill.budget)
    noted = () if unwatched or unasked else tuple(drill.rules.notes(made))
    return replace(made, problems=tuple(wrong), notes=noted)


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
    """The intervals in which the address is where it has to be, in seconds."""
    # Empty where the fault was prepared before the first request.
    found = [(0.0, _began(faults))]
    if drill.one_holder:
        found.append((reference_s + drill.steady_s, undone_s))
    if steady_s is not None:
        found.append((steady_s, end_s))
    return [(begin, end) for begin, end in found if begin < end]


def spread(repeats: Sequence[Repeat]) -> Spread | None:
    """The measured seconds of the repeats that count; None when there is none."""
    values = [r.measured_s for r in repeats if not r.void and r.measured_s is not None]
    if not values:
        return None
    return Spread(min(values), round(statistics.median(values), 4), max(values))


def over_all(
    drill: Expectation, repeats: Sequence[Repeat], audit_bad: Sequence[str], asked_for: int
) -> tuple[DrillVerdict, tuple[str, ...]]:
    """The drill's verdict and its reasons.

    The budget's seconds are judged by their median, and so is what is lost where the address moves:
    a request in flight at that very moment is cut. Every repeat, the worst among them, is judged by
    the drill's ceiling and by what must not be at all (repeat_problems.py). `asked_for`: so many
    repeats have to count; with fewer of them the drill has not passed.
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
    if len(counted) < max(1, asked_for):
        said = f"{len(counted)} repeats count, and {asked_for} were asked for"
        why = tuple(f"repeat {made.number}: {made.void}" for made in repeats if made.void)
        return DrillVerdict.VOID, (said, *why)
    return DrillVerdict.PASSED, ()


def sentence(drill: Expectation, repeats: Sequence[Repeat]) -> str:
    """The result in words, for a title."""
    found = spread(repeats)
    counted = [made for made in repeats if not made.void]
    if found is None:
        why = "".join(f": {made.void}" for made in repeats[-1:])
        return f"{drill.title}: nothing was measured{why}"
    medians = "" if len(counted) == 1 else f" (medians of {len(counted)} repeats)"
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
    if found.median_s == 0 and drill.measure is not Measure.RECOVERY:
        worst = f"{most_lost} at worst, {found.max_s:.3f} s"
        return f"{drill.title}: no request lost in most of {len(counted)} repeats ({worst}){moved}"
    word = "request" if median_lost == 1 else "requests"
    what = "answered again after" if drill.measure is Measure.RECOVERY else "no answer for"
    lost = f"{found.median_s:.3f} s, {median_lost} {word} lost{medians}"
    return f"{drill.title}: {what} {lost}{moved}"
