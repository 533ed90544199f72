"""Says on standard error what is being done, and how long it will still take."""

from __future__ import annotations

import contextlib
import sys
import time

from drills.scenarios.scenario import Drill
from report import live_line

AUDIT_S = 3.0
OVERHEAD_S = 0.5


def say(text: str, end: str = "\n") -> None:
    """Print it on standard error. Where that is gone, as after a hang-up, work goes on without."""
    with contextlib.suppress(OSError, ValueError):
        print(text, end=end, file=sys.stderr, flush=True)


class Progress:
    """Each drill is a stage of the live line, and its verdict a line that stays."""

    def __init__(self, drills: tuple[tuple[str, Drill], ...], repeats: int, slow_s: float):
        # `slow_s`: what this cluster's own timing adds to each repeat.
        self._planned_s = [
            drill.repeats(repeats) * (drill.about_s + OVERHEAD_S + slow_s) + AUDIT_S
            for _, drill in drills
        ]
        self._number = -1
        self._head = ""
        self._began = time.monotonic()
        self._drill_began = self._began

    def drill(self, cluster: str, name: str) -> None:
        self._number += 1
        self._drill_began = time.monotonic()
        where = f" on {cluster}" if cluster else ""
        self._head = f"[{self._number + 1}/{len(self._planned_s)}] {name}{where}"
        live_line.begin(f"{self._head} ({self._left()})")

    def step(self, text: str) -> None:
        """What is done now."""
        live_line.part(f"{self._head}: {text} ({self._left()})" if self._head else text)

    def done(self, text: str) -> None:
        """A line that stays."""
        live_line.end()
        say(text)

    def end(self) -> None:
        """Nothing goes on any more; the report may be printed."""
        live_line.end()

    def _left(self) -> str:
        """The planned time, corrected by how long the finished drills have taken."""
        done_s = sum(self._planned_s[: self._number])
        passed_s = self._drill_began - self._began
        pace = passed_s / done_s if done_s else 1.0
        here_s = time.monotonic() - self._drill_began
        left_s = max(0.0, sum(self._planned_s[self._number :]) * pace - here_s)
        return f"about {left_s / 60:.0f} min left" if left_s > 90 else f"about {left_s:.0f} s left"
