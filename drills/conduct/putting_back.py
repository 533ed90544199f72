"""The way back from a drill: everything is tried, again and again; what is left is told."""

from __future__ import annotations

from collections.abc import Callable

from drills.conduct.interrupts import shielded
from drills.control.cluster_control import ClusterControl
from drills.results import NotPutBack


class PuttingBack:
    """What the repeats of one run on one cluster have broken, until it is undone."""

    def __init__(self, say: Callable[[str], None]):
        self._say = say
        self._unfinished: list[ClusterControl] = []
        # What went wrong with the last `put_back`; kept here, since a signal takes its answer.
        self.trouble = ""

    def put_back(self, control: ClusterControl) -> None:
        """Undo everything and end all processes, whatever signal arrives; see `trouble`.

        Raises `Interrupted` afterwards where a signal has arrived.
        """
        shielded(lambda: self._put_back(control))

    def _put_back(self, control: ClusterControl) -> None:
        found = (control.restore(at_end=True), control.abandon())
        self.trouble = "; ".join(filter(None, found))
        if control.left():
            self._unfinished.append(control)
            self._say(f"NOT PUT BACK: {self.trouble}")

    def again(self) -> tuple[NotPutBack, ...]:
        """Try once more what could not be undone before; what is left even now."""
        for control in self._unfinished:
            control.restore(at_end=True)
        self._unfinished = [control for control in self._unfinished if control.left()]
        return self.left()

    def left(self) -> tuple[NotPutBack, ...]:
        """What is not undone."""
        return tuple(
            NotPutBack(
                applied.fault.label,
                control.cluster.name,
                applied.node,
                applied.problem or "it was not tried",
                applied.record.remedy if applied.record else "",
            )
            for control in self._unfinished
            for applied in control.left()
        )
