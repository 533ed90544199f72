"""The runner's side of the prober: what it finds, while it runs."""

from __future__ import annotations

import time
from typing import Any

from drills.clients.prober import Spec
from drills.control.child_process import Child, ProbeError
from drills.results import Request, RequestOutcome

__all__ = ["Probe", "ProbeError"]


class Probe(Child):
    """A prober that runs. Times are seconds since its first request was due."""

    def __init__(self, spec: Spec):
        self.spec = spec
        self.requests: list[Request] = []
        self.t0 = 0.0
        self.wall0 = 0.0
        super().__init__("the prober", "drills.clients.prober", spec.to_json())
        self._until(lambda: self.t0)

    def _take(self, said: Any) -> None:
        if isinstance(said, list):
            due_s, lag_s, connect_s, total_s, outcome, node = said
            outcome = RequestOutcome(outcome)
            self.requests.append(Request(due_s, lag_s, connect_s, total_s, outcome, node))
        elif "t0" in said:
            self.t0, self.wall0 = said["t0"], said["wall"]

    def now_s(self) -> float:
        return time.monotonic() - self.t0

    def good_since(self, node: str = "") -> float:
        """How long ago the last bad request was due (or one that not `node` answered)."""
        last = 0.0
        for request in reversed(self.requests[-2000:]):
            if request.outcome is not RequestOutcome.OK or (node and request.node != node):
                last = max(last, request.due_s)
        newest = max((request.due_s for request in self.requests[-50:]), default=0.0)
        return newest - last

    def lost_since(self, from_s: float) -> bool:
        return any(
            request.outcome is not RequestOutcome.OK and request.due_s >= from_s
            for request in self.requests
        )
