"""Outages out of single requests: windows, what was lost in them, where the address moved.

Pure. A window goes from the last good request to the first good one, in due time: what a person
in front of a browser would have noticed, whenever the failures themselves came to light.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from drills.results import Request, RequestOutcome, Window

# Lost requests closer than this belong to one outage: a service that answers only now and then is
# not available.
JOIN_S = 0.25
# Beyond these limits the prober has measured its own delays.
LAG_LIMIT_S = 0.02
LAG_SHARE = 0.01
LAG_MAX_S = 0.1
# Fewer answers do not say what is usual.
USUAL_LEAST = 20


def by_due(requests: Iterable[Request]) -> tuple[Request, ...]:
    """The requests in the order in which they were due."""
    return tuple(sorted(requests, key=lambda request: request.due_s))


def windows(
    requests: Sequence[Request], gains: Sequence[tuple[float, str]] = ()
) -> tuple[Window, ...]:
    """Every outage among `requests`, which are in due order, with when the address moved in it.

    `gains`: when which node took it, in order. One that took it twice counts the first time.
    """
    bad = [i for i, request in enumerate(requests) if request.outcome is not RequestOutcome.OK]
    groups: list[list[int]] = []
    for index in bad:
        if groups and requests[index].due_s - requests[groups[-1][-1]].due_s < JOIN_S:
            groups[-1].append(index)
        else:
            groups.append([index])
    return tuple(_window(requests, group, gains) for group in groups)


def _window(
    requests: Sequence[Request], group: Sequence[int], gains: Sequence[tuple[float, str]]
) -> Window:
    before, after = max(group[0] - 1, 0), min(group[-1] + 1, len(requests) - 1)
    from_s, to_s = requests[before].due_s, requests[after].due_s
    return Window(
        from_s=from_s,
        to_s=to_s,
        lost=lost(requests[index] for index in group),
        moved_at_s=next((at for at, _ in gains if from_s <= at <= to_s + JOIN_S), None),
        open=before == group[0] or after == group[-1],
    )


def lost(requests: Iterable[Request]) -> dict[RequestOutcome, int]:
    """How many were lost, by class, the commonest first."""
    outcomes = Counter(request.outcome for request in requests)
    del outcomes[RequestOutcome.OK]
    return dict(outcomes.most_common())


def by_outcome(lost: Mapping[RequestOutcome, int]) -> str:
    """`14 refused, 2 reset`, the commonest first; "" when none was lost."""
    ordered = Counter(lost).most_common()
    return ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in ordered)


def answers(requests: Iterable[Request]) -> tuple[tuple[float, str], ...]:
    """When each answered request was sent, and which node answered; in order of time."""
    return tuple(
        sorted(
            (request.due_s + request.lag_s, request.node)
            for request in requests
            if request.outcome is RequestOutcome.OK
        )
    )


def lag_max_s(requests: Iterable[Request]) -> float:
    """How late the prober was at worst, in seconds."""
    return max((request.lag_s for request in requests), default=0.0)


def slowest_s(requests: Iterable[Request]) -> float:
    """The slowest answer; 0 where there was none."""
    return max(_answered_s(requests), default=0.0)


def usual_s(requests: Iterable[Request]) -> float | None:
    """The median answer; None where fewer than `USUAL_LEAST` say what is usual."""
    found = _answered_s(requests)
    return statistics.median(found) if len(found) >= USUAL_LEAST else None


def _answered_s(requests: Iterable[Request]) -> list[float]:
    return [
        request.total_s
        for request in requests
        if request.outcome is RequestOutcome.OK and request.total_s is not None
    ]


def outside(
    requests: Iterable[Request], intervals: Sequence[tuple[float, float]]
) -> tuple[Request, ...]:
    """The requests that were due in none of these intervals."""
    return tuple(
        request
        for request in requests
        if not any(begin <= request.due_s < end for begin, end in intervals)
    )


def void(requests: Sequence[Request], rate: float, end_s: float) -> str:
    """Why nothing about the cluster follows from these requests; "" when something does.

    They are in due order, and have to be as many as the rate says, from the beginning to `end_s`.
    """
    if not requests:
        return "the prober sent nothing"
    late = sum(request.lag_s > LAG_LIMIT_S for request in requests)
    if lag_max_s(requests) > LAG_MAX_S or late > LAG_SHARE * len(requests):
        return (
            f"the prober itself was late: {late} of {len(requests)} requests by more than "
            f"{LAG_LIMIT_S * 1000:.0f} ms, {lag_max_s(requests) * 1000:.0f} ms at worst"
        )
    planned = round((requests[-1].due_s - requests[0].due_s) * rate) + 1
    if len(requests) != planned:
        return f"{planned} requests were due and {len(requests)} are known"
    gap_s, after = max(
        ((two.due_s - one.due_s, one.due_s) for one, two in itertools.pairwise(requests)),
        default=(0.0, 0.0),
    )
    if gap_s > 1.5 / rate:
        return f"the prober asked nothing for {gap_s:.2f} s, from {after:.2f} s on"
    if (first_s := requests[0].due_s) > 1.5 / rate:
        return f"of the prober's requests the first {first_s:.2f} s are not known"
    # The last one may be on its way when the prober is asked to end.
    if (last_s := requests[-1].due_s) < end_s - 1 / rate - LAG_MAX_S:
        return f"the prober asked until {last_s:.2f} s, and the repeat took {end_s:.2f} s"
    return ""
