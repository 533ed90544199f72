"""Says on standard error what is being done, and how long it will still take."""

from __future__ import annotations

import contextlib
import sys
import time

from drills.scenarios.scenario import Drill

AUDIT_S = 3.0
OVERHEAD_S = 0.5


def say(text: str, end: str = "\n") -> None:
    """Print it on standard error. Where that is gone, as after a hang-up, work goes on without."""
    with contextlib.suppress(OSError, ValueError):
        print(text, end=end, file=sys.stderr, flush=True)


class Progress:
    """One line that changes on a terminal; a line per drill where it is piped into a file."""

    def __init__(self, drills: tuple[tuple[str, Drill], ...], repeats: int, slow_s: float):
        # `slow_s`: what this cluster's own timing adds to each repeat.
        self._planned_s = [
            drill.repeats(repeats) * (drill.about_s + OVERHEAD_S + slow_s) + AUDIT_S
            for _, drill in drills
        ]
        self._number = -1
        self._began = time.monotonic()
        self._drill_began = self._began
        self._live = sys.stderr.isatty()
        self._head = ""

    def drill(self, cluster: str, name: str) -> None:
        self._number += 1
        self._drill_began = time.monotonic()
        where = f" on {cluster}" if cluster else ""
        self._head = f"[{self._number + 1}/{len(self._planned_s)}] {name}{where}"
        if not self._live:
            say(f"{self._head} ({self._left()})")

    def step(self, text: str) -> None:
        if self._live:
            line = f"{self._head}: {text} ({self._left()})"
            say(f"\r\x1b[K{line[:110]}", end="")

    def done(self, text: str) -> None:
        """A line that stays."""
        start = "\r\x1b[K" if self._live else ""
        say(f"{start}{text}")

    def _left(self) -> str:
        """The planned time, corrected by how long the finished drills have taken."""
        done_s = sum(self._planned_s[: self._number])
        passed_s = self._drill_began - self._began
        pace = passed_s / done_s if done_s else 1.0
        here_s = time.monotonic() - self._drill_began
        left_s = max(0.0, sum(self._planned_s[self._number :]) * pace - here_s)
        return f"about {left_s / 60:.0f} min left" if left_s > 90 else f"about {left_s:.0f} s left"
