"""Breaks machines of a cluster by commands on them, and notes what has to be undone."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

from drills.analysis.expectation import Expectation
from drills.analysis.expected_outage import Timing
from drills.control import faults, self_undo
from drills.control.faults import Fault
from drills.control.holder_monitor import HolderMonitor
from drills.control.lab_control import LabControl
from drills.control.machines import MachineError, Machines
from drills.control.undo_log import AppliedFault, UndoLog
from drills.control.waiting import ClusterObserver
from drills.results import Event
from settings import Node

BOOT_TIMEOUT_S = 300.0
SHELL_TIMEOUT_S = 60.0

_BOOT = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat"


class MachineFaults(ClusterObserver):
    """Faults that a shell on the machine brings about, and whatever all faults have in common."""

    def __init__(
        self,
        machines: Machines,
        lab: LabControl | None,
        timing: Timing,
        expectation: Expectation,
        say: Callable[[str], None],
    ):
        super().__init__(machines, timing, expectation, say)
        self._lab = lab
        self.monitor = HolderMonitor(machines, same_clock=lab is not None)
        self.undo_log = UndoLog()
        self._injecting: list[gevent.Greenlet[[Fault, Node], str]] = []
        self._events: list[tuple[float, str]] = []

    def mark(self, text: str) -> None:
        """Note an event of this moment, for the picture."""
        self._events.append((time.monotonic(), text))

    def events(self, t0: float) -> tuple[Event, ...]:
        """What was marked, in seconds since `t0`."""
        return tuple(Event(round(at - t0, 4), text) for at, text in sorted(self._events))

    def inject(self, fault: Fault, *nodes: Node) -> None:
        """Break something on several machines at once. Raises `MachineError`."""
        self._injecting = [gevent.spawn(self._inject, fault, node) for node in nodes]
        gevent.joinall(self._injecting)
        problems = [problem for job in self._injecting if (problem := job.get())]
        self._injecting = []
        if problems:
            raise MachineError("; ".join(problems))

    def _inject(self, fault: Fault, node: Node) -> str:
        """Why it failed; "" when it did not."""
        # Noted before: a machine that does not answer any more may be broken all the same.
        applied = self._note(fault, node, lambda: self._undo(fault, node))
        # Longer than the slowest settings take, so that it never interferes with a drill.
        outlives_s = self_undo.OUTLIVES_S + 3 * round(self.steady_s + self.longest_s)
        script = self_undo.inject(fault.key, fault.do, fault.undo, outlives_s)
        try:
            moments = self_undo.times(self.machines.run(node.name, script))
        except MachineError as error:
            return str(error)
        self._began(applied, self.monitor.moment(node.name, moments[0], applied.from_at))
        if not fault.undo:
            applied.undo = None
            ended = self.monitor.moment(node.name, moments[-1], time.monotonic())
            applied.to_at = ended + fault.lasts_s
        return ""

    def _undo(self, fault: Fault, node: Node) -> None:
        if fault.undo:
            self.machines.run(node.name, self_undo.undo(fault.key), timeout_s=30)

    def _note(
        self, fault: Fault, node: Node | None, undo: Callable[[], None] | None
    ) -> AppliedFault:
        applied = self.undo_log.note(fault, node.name if node else "", undo)
        if self.reference_at is None:
            self.reference_at = applied.from_at
        return applied

    def _began(self, applied: AppliedFault, at: float) -> None:
        """The fault began at `at` (CLOCK_MONOTONIC), and not when it was noted."""
        if self.reference_at == applied.from_at:
            self.reference_at = at
        applied.from_at = at

    def heal(self, fault: Fault | None = None, *nodes: Node) -> None:
        """Undo one fault, or all; at the same moment on several machines."""
        self.undo_log.heal(fault, (node.name for node in nodes))

    def reboot(self, node: Node) -> None:
        """In order, by its own init; returns when it has booted."""
        before = self.machines.run(node.name, _BOOT)
        applied = self._note(faults.REBOOTED, node, None)
        self.machines.run(node.name, faults.REBOOTED.do)
        self.monitor.node_off(node.name, until_taken=True)
        self.machines.forget(node.name)
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while True:
            gevent.sleep(0.2)
            self.machines.reconnect(node.name, deadline - time.monotonic())
            try:
                if self.machines.run(node.name, _BOOT, timeout_s=2) != before:
                    break
            except MachineError:
                pass  # on its way down
            self.machines.forget(node.name)
        applied.to_at = time.monotonic()
        self._booted(node)

    def _booted(self, node: Node) -> None:
        self.monitor.start((node.name,), late=True)
        self.mark(f"{node.name} has booted")

    def shell(self, label: str, node: Node, script: str) -> None:
        """A command on a machine that harms nothing. Raises `MachineError`."""
        applied = self._note(Fault("command", label, ""), node, None)
        try:
            self.machines.run(node.name, script, SHELL_TIMEOUT_S)
        finally:
            applied.to_at = time.monotonic()

    @staticmethod
    def expect(true: bool, otherwise: str) -> None:
        """Raises `MachineError` with `otherwise` where it is not true."""
        if not true:
            raise MachineError(otherwise)
