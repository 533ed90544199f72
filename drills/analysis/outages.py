"""Outages out of single requests: windows, what was lost in them, where the address moved.

Pure. A window goes from the last good request to the first good one, in due time: what a person
in front of a browser would have noticed, whenever the failures themselves came to light.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from drills.results import Request, RequestOutcome, Window

# Lost requests closer than this belong to one outage: a service that answers only now and then is
# not available.
JOIN_S = 0.25
# Beyond these limits the prober has measured its own delays.
LAG_LIMIT_S = 0.02
LAG_SHARE = 0.01
LAG_MAX_S = 0.1


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


def void(requests: Sequence[Request], rate: float) -> str:
    """Why nothing about the cluster follows from these requests; "" when something does."""
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
    return ""
