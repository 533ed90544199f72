"""The faults of a repeat: since when each of them is there, and how it is undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import gevent

from drills.control.faults import Fault
from drills.control.machines import MachineError
from drills.control.undo_journal import UndoJournal, UndoRecord
from drills.mishaps import MISHAPS, told
from drills.results import FaultInterval


@dataclass(eq=False)
class AppliedFault:
    """A fault that was injected. Moments are of CLOCK_MONOTONIC.

    `undo`: None if it ends by itself. `record`: the same for people and for a later run, and its
    `number` in the journal. `at_end`: it is undone after everything else. `problem`: why the last
    attempt to undo it has failed.
    """

    fault: Fault
    node: str
    from_at: float
    to_at: float | None
    undo: Callable[[], object] | None
    record: UndoRecord | None = None
    number: int = 0
    at_end: bool = False
    undone: bool = False
    problem: str = ""
    attempt: gevent.Greenlet[[], None] | None = None

    @property
    def left(self) -> bool:
        """Whether it still has to be undone."""
        return self.undo is not None and not self.undone

    def __str__(self) -> str:
        return f"{self.fault.label} on {self.node}" if self.node else self.fault.label


class UndoLog:
    """Every fault of one repeat. Each is noted before it is injected, so that none is forgotten:
    here, and in the journal, where one is given, for a run after this one."""

    def __init__(self, journal: UndoJournal | None = None) -> None:
        self.entries: list[AppliedFault] = []
        self._journal = journal

    def note(
        self,
        fault: Fault,
        node: str,
        undo: Callable[[], object] | None,
        record: UndoRecord | None = None,
        *,
        at_end: bool = False,
    ) -> AppliedFault:
        """A fault that begins now. `node`: "" for none. Raises `MachineError` where it cannot be
        noted: then it must not begin."""
        number = self._journal.note(record) if self._journal and record else 0
        now = time.monotonic()
        applied = AppliedFault(fault, node, now, None, undo, record, number, at_end)
        self.entries.append(applied)
        return applied

    def heal(self, fault: Fault | None, nodes: Iterable[str], *, at_end: bool = False) -> None:
        """Undo one fault or all, on these nodes or everywhere, at the same moment.

        What could not be undone stays in the log: the next call tries it again. `at_end`: also what
        is undone after everything else. Raises `MachineError` after trying everything.
        """
        names = set(nodes)
        chosen = [
            applied
            for applied in self.entries
            if applied.left
            and (at_end or not applied.at_end)
            and (fault is None or applied.fault is fault)
            and (not names or applied.node in names)
        ]
        for applied in chosen:
            # An attempt that an interruption has left half way is waited for, not made twice.
            if applied.attempt is None or applied.attempt.ready():
                applied.attempt = gevent.spawn(partial(self._attempt, applied))
        gevent.joinall([applied.attempt for applied in chosen if applied.attempt])
        if problems := [applied.problem for applied in chosen if applied.left]:
            raise MachineError("; ".join(problems))

    def _attempt(self, applied: AppliedFault) -> None:
        assert applied.undo is not None
        try:
            applied.undo()
        except MISHAPS as error:
            applied.problem = f"{applied} could not be undone: {told(error)}"
            return
        applied.undone, applied.problem = True, ""
        if applied.to_at is None:
            applied.to_at = time.monotonic()
        if self._journal and applied.number:
            self._journal.undone(applied.number)

    def left(self) -> tuple[AppliedFault, ...]:
        """What still has to be undone."""
        return tuple(applied for applied in self.entries if applied.left)

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
