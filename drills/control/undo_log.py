"""What is broken at the moment, since when, and how it is put back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import gevent

from drills.control.faults import Fault
from drills.control.machines import MachineError
from drills.results import FaultInterval


@dataclass
class Broken:
    """A fault that was injected. Moments are of CLOCK_MONOTONIC."""

    fault: Fault
    node: str
    from_at: float
    to_at: float | None
    undo: Callable[[], None] | None
    undone: bool = False


class Ledger:
    """Every fault of one repeat. It is entered before it is injected, so that none is forgotten."""

    def __init__(self) -> None:
        self.entries: list[Broken] = []
        self._healing: list[gevent.Greenlet[[Broken], str]] = []

    def note(self, fault: Fault, node: str, undo: Callable[[], None] | None) -> Broken:
        broken = Broken(fault, node, time.monotonic(), None, undo)
        self.entries.append(broken)
        return broken

    def heal(self, fault: Fault | None, nodes: Iterable[str]) -> None:
        """Undo one fault or all, on these nodes or everywhere, at the same moment."""
        names = set(nodes)
        chosen = [
            broken
            for broken in self.entries
            if broken.undo
            and (fault is None or broken.fault is fault)
            and (not names or broken.node in names)
        ]
        # Also what an interruption has left half way is waited for.
        self._healing += [gevent.spawn(_undone, broken) for broken in chosen]
        gevent.joinall(self._healing)
        problems = [problem for job in self._healing if (problem := job.get())]
        self._healing = []
        if problems:
            raise MachineError("; ".join(problems))

    def intervals(self, t0: float) -> tuple[FaultInterval, ...]:
        """What was broken from when till when, in seconds since `t0`."""
        now = time.monotonic()
        return tuple(
            FaultInterval(
                broken.fault.label,
                broken.node,
                round(broken.from_at - t0, 4),
                round((broken.to_at or now) - t0, 4),
            )
            for broken in self.entries
            if broken.fault.shown
        )

    def undone_at(self, otherwise: float) -> float:
        """When the last of what had to be undone was; `otherwise`, if all was over by itself."""
        return max(
            (broken.to_at for broken in self.entries if broken.undone and broken.to_at),
            default=otherwise,
        )


def _undone(broken: Broken) -> str:
    """Why it could not be undone; "" when it was."""
    undo, broken.undo, broken.undone = broken.undo, None, True
    assert undo is not None
    try:
        undo()
    except (MachineError, OSError, subprocess.SubprocessError) as error:
        on = f" on {broken.node}" if broken.node else ""
        return f"{broken.fault.label}{on} could not be undone: {error}"
    finally:
        if broken.to_at is None:
            broken.to_at = time.monotonic()
    return ""
