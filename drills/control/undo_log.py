"""The faults of a repeat: since when each of them is there, and how it is undone."""

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
class AppliedFault:
    """A fault that was injected. Moments are of CLOCK_MONOTONIC."""

    fault: Fault
    node: str
    from_at: float
    to_at: float | None
    undo: Callable[[], object] | None
    undone: bool = False


class UndoLog:
    """Every fault of one repeat. Each is noted before it is injected, so that none is forgotten."""

    def __init__(self) -> None:
        self.entries: list[AppliedFault] = []
        self._healing: list[gevent.Greenlet[[AppliedFault], str]] = []

    def note(self, fault: Fault, node: str, undo: Callable[[], object] | None) -> AppliedFault:
        """A fault that begins now. `node`: "" for none; `undo`: None if it ends by itself."""
        applied = AppliedFault(fault, node, time.monotonic(), None, undo)
        self.entries.append(applied)
        return applied

    def heal(self, fault: Fault | None, nodes: Iterable[str]) -> None:
        """Undo one fault or all, on these nodes or everywhere, at the same moment.

        Raises `MachineError` for what could not be undone, after trying everything.
        """
        names = set(nodes)
        chosen = [
            applied
            for applied in self.entries
            if applied.undo
            and (fault is None or applied.fault is fault)
            and (not names or applied.node in names)
        ]
        # Undoing that an interruption has left half way is waited for, too.
        self._healing += [gevent.spawn(_undone, applied) for applied in chosen]
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
                applied.fault.label,
                applied.node,
                round(applied.from_at - t0, 4),
                round((applied.to_at or now) - t0, 4),
            )
            for applied in self.entries
            if applied.fault.shown
        )

    def undone_at(self, otherwise: float) -> float:
        """When the last fault was undone; `otherwise`, if all ended by themselves."""
        return max(
            (applied.to_at for applied in self.entries if applied.undone and applied.to_at),
            default=otherwise,
        )


def _undone(applied: AppliedFault) -> str:
    """Why it could not be undone; "" when it was."""
    undo, applied.undo, applied.undone = applied.undo, None, True
    assert undo is not None
    try:
        undo()
    except (MachineError, OSError, subprocess.SubprocessError) as error:
        on = f" on {applied.node}" if applied.node else ""
        return f"{applied.fault.label}{on} could not be undone: {error}"
    finally:
        if applied.to_at is None:
            applied.to_at = time.monotonic()
    return ""
