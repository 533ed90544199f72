"""The prober as a process of this one: its requests, available while it runs."""

from __future__ import annotations

import time
from typing import Any

from drills.clients.prober import ProberSpec
from drills.control.processes.child_process import ChildProcess
from drills.results import Request, RequestOutcome


class ProberProcess(ChildProcess):
    """A prober that runs. Times are seconds since its first request was due.

    `t0`: that moment on CLOCK_MONOTONIC; `requests`: those that have ended, in that order.
    """

    def __init__(self, spec: ProberSpec):
        self.spec = spec
        self.requests: list[Request] = []
        super().__init__("the prober", "drills.clients.prober", spec.to_json())
        self._wait_for("t0")
        self.t0: float = self.said["t0"]

    def _row(self, row: list[Any]) -> None:
        request = Request(*row)
        self.requests.append(request._replace(outcome=RequestOutcome(request.outcome)))

    def now_s(self) -> float:
        return time.monotonic() - self.t0

    def good_since(self, node: str = "") -> float:
        """For how many seconds all requests have been answered (by `node`, where one is given)."""
        last = 0.0
        for request in reversed(self.requests[-2000:]):
            if request.outcome is not RequestOutcome.OK or (node and request.node != node):
                last = max(last, request.due_s)
        newest = max((request.due_s for request in self.requests[-50:]), default=0.0)
        return newest - last

    def lost_since(self, from_s: float) -> bool:
        """Whether a request that was due at `from_s` or later has been lost."""
        return any(
            request.outcome is not RequestOutcome.OK and request.due_s >= from_s
            for request in self.requests
        )
