"""Breaks machines of a cluster by commands on them, and notes what has to be undone.

From the lab around them: lab_injection.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ClassVar

import gevent

from drills.control import fault_signs, faults, self_undo
from drills.control.faults import Fault
from drills.control.holder_monitor import HolderMonitor
from drills.control.machines import MachineError, Machines
from drills.control.undo_journal import UndoRecord, Way
from drills.control.undo_log import AppliedFault, UndoLog
from drills.control.waiting import ClusterObserver
from drills.mishaps import MISHAPS, told
from drills.results import Event, Sight
from settings import Node

BOOT_TIMEOUT_S = 300.0
SHELL_TIMEOUT_S = 60.0
INJECT_TIMEOUT_S = 10.0
# TCP tries again after longer and longer: what a machine said while it could not be reached, it
# says up to so long after it can.
UNHEARD_S = 30.0

BOOT = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat"


@dataclass(eq=False)
class FaultInjection(ClusterObserver):
    """Every fault is noted before it begins, so that it is undone in all cases.

    `drill`: the name for those notes. `keeping`: what guards keep open, the notes' lock. `sights`:
    what machines have shown of the faults. `_boots`: by machine, which boot it was in before it
    lost its power.
    """

    undo_log: UndoLog = field(default_factory=UndoLog)
    drill: str = ""
    keeping: tuple[int, ...] = ()
    sights: list[Sight] = field(default_factory=list)
    _boots: dict[str, str] = field(default_factory=dict)
    _injecting: list[gevent.Greenlet[[Fault, Node], str]] = field(default_factory=list)
    _events: list[tuple[float, str]] = field(default_factory=list)

    # What records who holds the address.
    monitor_kind: ClassVar[type[HolderMonitor]] = HolderMonitor

    @cached_property
    def monitor(self) -> HolderMonitor:
        return self.monitor_kind(self.machines, same_clock=self.lab_here is not None)

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
        """Why it failed; "" when it did not. A greenlet that raises would print a traceback."""
        # Longer than the slowest settings take, so that it never interferes with a drill.
        outlives_s = self_undo.OUTLIVES_S + 3 * round(self.steady_s + self.longest_s)
        timeout_s = INJECT_TIMEOUT_S
        if fault.rescue_s:
            outlives_s, timeout_s = round(fault.rescue_s), fault.rescue_s + UNHEARD_S
        script = self_undo.inject(fault.key, fault.do, fault.undo, outlives_s)
        try:
            # Noted before: a machine that does not answer any more may be broken all the same.
            applied = self._note(fault, node, *self.by_machine(fault, node))
            answer = self.machines.run(node.name, fault_signs.around(fault.sign, script), timeout_s)
            moments = self_undo.times(answer)
            self.sights += fault_signs.sights(node.name, answer)
            self._began(applied, self.monitor.moment(node.name, moments[0], applied.from_at))
            if fault.lasts_s or not fault.undo:
                # Not when the answer came: a machine that was away meanwhile answers late.
                took_s = min(moments[-1] - moments[0], time.monotonic() - applied.from_at)
                here = applied.from_at + max(0.0, took_s)
                ended = self.monitor.moment(node.name, moments[-1], here)
                applied.to_at = ended + fault.lasts_s
        except MISHAPS as error:
            return told(error)
        return ""

    def left_s(self, fault: Fault) -> float:
        """For how many seconds more a fault lasts that ends by itself."""
        ends = [one.to_at for one in self.undo_log.entries if one.fault is fault and one.to_at]
        return max(0.0, max(ends, default=0.0) - time.monotonic())

    def by_machine(
        self, fault: Fault, node: Node
    ) -> tuple[Callable[[], object] | None, UndoRecord | None]:
        """What the machine undoes it with, and the note of that; None where it ends by itself."""
        if not fault.undo:
            return None, None
        lasting = fault.undo if fault.lasting else ""
        undo = partial(self.machines.insist, node.name, self_undo.undo(fault.key, lasting))
        words = (fault.key, lasting)
        return undo, self._record(fault.label, Way.MACHINE, words, fault.undo, node)

    def _record(
        self,
        what: str,
        way: Way,
        words: tuple[str, ...],
        by_hand: str,
        node: Node | None,
        directory: str = "",
    ) -> UndoRecord:
        name, address = (node.name, str(node.own)) if node else ("", "")
        cluster, vip = self.cluster.name, str(self.cluster.vip.ip)
        return UndoRecord(
            what, way, words, by_hand, cluster, vip, name, address, self.drill, directory
        )

    def _note(
        self,
        fault: Fault,
        node: Node | None,
        undo: Callable[[], object] | None = None,
        record: UndoRecord | None = None,
    ) -> AppliedFault:
        applied = self.undo_log.note(fault, node.name if node else "", undo, record)
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
        before = self._boots[node.name] = self.machines.run(node.name, BOOT)
        self.monitor.fetch(node.name)
        applied = self._note(faults.REBOOTED, node)
        self.machines.run(node.name, faults.REBOOTED.do)
        self.monitor.node_off(node.name, until_taken=True)
        self.machines.forget(node.name)
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while True:
            gevent.sleep(0.2)
            self.machines.reconnect(node.name, deadline - time.monotonic())
            try:
                if self.machines.run(node.name, BOOT, timeout_s=2) != before:
                    break
            except MachineError:
                pass  # on its way down
            if time.monotonic() > deadline:
                raise MachineError(f"{node.name} has not booted in {BOOT_TIMEOUT_S:.0f} s")
            self.machines.forget(node.name)
        applied.to_at = time.monotonic()
        self._booted(node)

    def _booted(self, node: Node) -> None:
        self.monitor.start((node.name,), late=True)
        self.mark(f"{node.name} has booted")
        anew = self.machines.run(node.name, BOOT) != self._boots.pop(node.name)
        self.sights.append(
            Sight(node.name, anew, "it has booted anew" if anew else "it has not booted")
        )

    def shell(self, label: str, node: Node, script: str) -> None:
        """A command on a machine that harms nothing. Raises `MachineError`."""
        applied = self._note(Fault("command", label, ""), node)
        try:
            self.machines.run(node.name, script, SHELL_TIMEOUT_S)
        finally:
            applied.to_at = time.monotonic()

    @staticmethod
    def expect(true: bool, otherwise: str) -> None:
        """Raises `MachineError` with `otherwise` where it is not true."""
        if not true:
            raise MachineError(otherwise)


def has_nft(machines: Machines, name: str) -> bool:
    """Whether a machine can filter adverts itself."""
    return machines.ask(name, "command -v nft")[0] == 0
