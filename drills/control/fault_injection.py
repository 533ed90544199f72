"""Breaks machines of a cluster, and notes what has to be undone: by commands on them, or from the
lab around them (cables, power, filters, a rogue router)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from shlex import join

import gevent

from drills.clients import rogue_router
from drills.control import fault_signs, faults, lab_control, self_undo
from drills.control.faults import Fault
from drills.control.holder_monitor import HolderMonitor
from drills.control.lab_control import Guard, LabControl
from drills.control.machines import MachineError, Machines
from drills.control.undo_journal import UndoRecord, Way
from drills.control.undo_log import AppliedFault, UndoLog
from drills.control.waiting import ClusterObserver
from drills.mishaps import MISHAPS, told
from drills.results import Event, Sight
from settings import Node

BOOT_TIMEOUT_S = 300.0
SHELL_TIMEOUT_S = 60.0

_BOOT = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat"


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

    @cached_property
    def monitor(self) -> HolderMonitor:
        return HolderMonitor(self.machines, same_clock=self.lab_here is not None)

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
        script = self_undo.inject(fault.key, fault.do, fault.undo, outlives_s)
        try:
            # Noted before: a machine that does not answer any more may be broken all the same.
            applied = self._note(fault, node, *self.by_machine(fault, node))
            answer = self.machines.run(node.name, fault_signs.around(fault.sign, script))
            moments = self_undo.times(answer)
            self.sights += fault_signs.sights(node.name, answer)
            self._began(applied, self.monitor.moment(node.name, moments[0], applied.from_at))
            if not fault.undo:
                ended = self.monitor.moment(node.name, moments[-1], time.monotonic())
                applied.to_at = ended + fault.lasts_s
        except MISHAPS as error:
            return told(error)
        return ""

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
        before = self._boots[node.name] = self.machines.run(node.name, _BOOT)
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
                if self.machines.run(node.name, _BOOT, timeout_s=2) != before:
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
        anew = self.machines.run(node.name, _BOOT) != self._boots.pop(node.name)
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

    # --- what needs the lab: should this process die, a `Guard` undoes it ----------------------

    @property
    def lab(self) -> LabControl:
        assert self.lab_here is not None  # drills that need it are skipped outside
        return self.lab_here

    def unplug(self, node: Node) -> None:
        """Pull a machine's network cable."""
        fault = Fault("cable", "cable pulled", "")
        undo = partial(self.lab.switch, "plug", node.name)
        self._began(self._by_lab(fault, node, "plug", undo), time.monotonic())
        self.lab.twin.unplug(node.name)

    def power_off(self, *nodes: Node) -> None:
        """Cut the machines' power, one right after the other."""
        fault = Fault("power", "power off", "")
        names = [node.name for node in nodes]
        self._boots |= self.machines.everywhere(_BOOT, names)
        self.monitor.fetch(*names)
        noted = [
            self._by_lab(fault, node, "power-on", partial(self._power_on, node)) for node in nodes
        ]
        for node, applied in zip(nodes, noted, strict=True):
            self._began(applied, time.monotonic())
            self.monitor.node_off(node.name)
            self.lab.power_off(node.name)
        for node in nodes:
            self.machines.forget(node.name)

    def _power_on(self, node: Node) -> None:
        self.lab.switch("power-on", node.name)
        self.machines.wait_for(node.name, BOOT_TIMEOUT_S)
        self._booted(node)

    def _by_lab(
        self, fault: Fault, node: Node, verb: str, undo: Callable[[], object]
    ) -> AppliedFault:
        record = self._record(
            fault.label, Way.LAB, (verb, node.name), f"lab {verb} {node.name}", node
        )
        guard = Guard(lab_control.command(verb, node.name), self.keeping)
        return self._guarded(fault, node, guard, undo, record)

    def _guarded(
        self,
        fault: Fault,
        node: Node | None,
        guard: Guard,
        undo: Callable[[], object],
        record: UndoRecord,
    ) -> AppliedFault:
        def undo_and_dismiss() -> None:
            undo()
            guard.dismiss()

        try:
            if node is None:  # what is changed on purpose is no fault to count from
                return self.undo_log.note(fault, "", undo_and_dismiss, record)
            return self._note(fault, node, undo_and_dismiss, record)
        except MachineError:
            guard.dismiss()  # nothing is going to be broken
            raise

    def drop_adverts(self, fault: Fault, *nodes: Node) -> None:
        """By nft on the machine; where it has none, by nft of the lab's host in its network."""
        for node in nodes:
            if self.lab_here is None or has_nft(self.machines, node.name):
                self.inject(fault, node)
                continue
            command = self.lab.outside(node.name, fault.undo)
            record = self._record(fault.label, Way.OUTSIDE, (fault.undo,), join(command), node)
            undo = partial(self.lab.run_outside, node.name, fault.undo)
            self._guarded(fault, node, Guard(command, self.keeping), undo, record)
            self.lab.run_outside(node.name, fault.do)

    def rogue(self, seconds: float) -> None:
        """A stranger on the network claims the address for so long, with the highest priority."""
        assert self.lab_here  # only the lab's machines may receive it
        self.inject(faults.ROGUE, *self.cluster.nodes)
        node = self.holder
        words = (node.vip.ip, node.virtual_router_id, node.vrrp_version, node.advert_s)
        peers = [each.own for each in self.cluster.nodes]
        command = [_own_address(node), *words, seconds, *peers]
        speaker = subprocess.Popen(
            [sys.executable, rogue_router.__file__, *map(str, command)],
            env=os.environ | {"VRRP_SECRET": node.auth_pass.get_secret_value()},
        )
        try:
            self.wait(seconds)
        finally:
            speaker.kill()
            speaker.wait()
        self.expect(speaker.returncode in (0, -signal.SIGKILL), "the rogue could not speak")
        self.heal(faults.ROGUE, *self.cluster.nodes)


def _own_address(node: Node) -> str:
    """This machine's own address on the way to `node`."""
    family = socket.AF_INET if node.vip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as way:
        way.connect((str(node.own), 9))
        return str(way.getsockname()[0])


def has_nft(machines: Machines, name: str) -> bool:
    """Whether a machine can filter adverts itself."""
    return machines.ask(name, "command -v nft")[0] == 0
