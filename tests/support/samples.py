"""A prober's requests as samples have them, and the timings of two clusters."""

from __future__ import annotations

from drills.analysis.expected_outage import Timing
from drills.results import Request, RequestOutcome

RATE = 200.0
OK, REFUSED = RequestOutcome.OK, RequestOutcome.REFUSED
RECIPE = Timing(1.0, 3, 0.609, True, 2.0, 2, 60.0, None, 0.3, 2)
DEFAULT = Timing(0.05, 6, 0.0012, False, 2.0, 2, 1.0, 0.25, 0.3, 2)


def stream(bad: set[int], count: int = 400, lag_s: float = 0.0001) -> tuple[Request, ...]:
    return tuple(
        Request(i / RATE, lag_s, 0.001, 0.002, REFUSED if i in bad else OK, "host1")
        for i in range(count)
    )
