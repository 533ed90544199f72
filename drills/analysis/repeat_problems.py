"""What of one repeat was not as it has to be, in words. Pure.

All of it is judged in every repeat: wrong once is wrong. What the median may cost: verdict.py. Who
has to hold the address: holder_rules.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drills.analysis import holder_timeline, outages
from drills.analysis.expectation import Expectation
from drills.analysis.outages import by_outcome
from drills.results import HolderSample, Measure, Repeat, Request

# The median answer may take so much longer than before the fault, and so long at the most, which
# is far from what a network adds: requests that are queued, or wait for a CPU, all of them.
USUAL_MORE_S = 0.1
USUAL_MOST_S = 0.5


def unlimited(
    drill: Expectation,
    samples: Sequence[HolderSample],
    requests: Sequence[Request],
    began_s: float,
    reference_s: float,
) -> list[tuple[float, float]]:
    """When requests may be lost without limit: nothing can serve, and that is what the drill does.

    Until the way back is open; and until a node holds the address again, where none was there to.
    Without a timeline of holders (`samples`) that is known once one has answered.
    """
    if drill.measure is not Measure.RECOVERY:
        return []
    found = [(began_s, reference_s)]
    if drill.nowhere and not samples:
        sent = (sent_s for sent_s, _ in outages.answers(requests) if sent_s >= reference_s)
        found.append((reference_s, next(sent, float("inf"))))
    elif drill.nowhere:
        every = holder_timeline.stretches(samples, began_s, float("inf"))
        found += [(begin, end) for begin, end, names in every if not names]
    return found


def of_requests(
    made: Repeat, drill: Expectation, rate: float, limited: Sequence[Request], began_s: float
) -> Iterator[str]:
    """What it cost clients, by the ceiling. `limited`: the requests that it is about."""
    if any(window.open for window in made.windows):
        yield "requests were lost at the very beginning or end: the outage has no end"
    ceiling, timed = drill.ceiling(rate), drill.budget.timed
    lost = outages.lost(limited)
    count = sum(lost.values())
    if count > ceiling.lost and (timed or not drill.budget.loss_is_time):
        yield f"{by_outcome(lost)} lost, and {ceiling.lost} are allowed"
    if not timed:
        return
    if drill.budget.loss_is_time and (made.measured_s or 0.0) > ceiling.seconds:
        what = "answered again after" if drill.measure is Measure.RECOVERY else "no answer for"
        yield f"{what} {made.measured_s:.3f} s, and {ceiling.seconds:g} s are allowed at worst"
    if (slowest_s := made.slowest_s or 0.0) > ceiling.slowest_s:
        yield f"an answer took {slowest_s:.3f} s, and {ceiling.slowest_s:g} s are allowed at worst"
    yield from _usual(made.requests, min(began_s, made.reference_s))


def _usual(requests: Sequence[Request], began_s: float) -> Iterator[str]:
    """All answers may have become slow, and none of them slower than the slowest may be."""
    before_s = outages.usual_s(request for request in requests if request.due_s < began_s)
    since_s = outages.usual_s(request for request in requests if request.due_s >= began_s)
    if since_s is None:
        return
    allowed_s = USUAL_MOST_S
    if before_s is not None:
        allowed_s = min(allowed_s, before_s + USUAL_MORE_S)
    if since_s > allowed_s:
        yield f"answers took {since_s:.3f} s (median), and {allowed_s:.3f} s are allowed"
