"""What a scenario acts through: one cluster's faults, waiting, commands, and the way back.

Whatever a scenario does to the cluster it does through a `ClusterControl`, so that `restore` can
undo it in all cases: at the end, after an error, after Ctrl-C. When this process is killed, the
machines undo it themselves (self_undo.py), or a guard does here (lab_control.py), and the next run
finds what is noted (undo_journal.py).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from shlex import join

import gevent

from drills.control import fault_signs, faults
from drills.control.fault_injection import has_nft
from drills.control.faults import Fault
from drills.control.lab_control import Guard
from drills.control.lab_injection import LabInjection
from drills.control.machines import MachineError
from drills.control.own_commands import TIMEOUT_S
from drills.control.undo_journal import Way
from drills.control.undo_log import AppliedFault
from drills.mishaps import MISHAPS, told
from drills.records import Sight
from settings import Node

# A deploy has machines' turns one after another, each of which may wait for connections to end.
TURN_S = 90.0
# A machine shows what was changed within this time.
CHANGED_S = 5.0
CARRIER_LOOKS = 20
# What has failed within this time is tried again at once.
AT_ONCE_S = 20.0


@dataclass(eq=False)
class ClusterControl(LabInjection):
    """One repeat of one drill on one cluster."""

    # --- changing it on purpose --------------------------------------------------------------

    def change(self, operation: str = "deploy.py", *data: str) -> None:
        """The machines are about to be what the inventory does not say. This undoes that.

        Once, however often it is called: two deploys at a time would get into each other's way.
        """
        if any(applied.fault is faults.CHANGED for applied in self.undo_log.entries):
            return
        command = self.commands.arguments(operation, *data)
        record = self._record(
            faults.CHANGED.label, Way.COMMAND, tuple(command[1:]), join(command), None, os.getcwd()
        )
        guard = Guard(command, self.keeping)
        self._guarded(faults.CHANGED, None, guard, partial(self.command, operation, *data), record)

    def at_end(self, fault: Fault, node: Node) -> None:
        """Something is about to be brought onto a machine that goes away after everything else."""
        self.undo_log.note(fault, node.name, *self.by_machine(fault, node), at_end=True)

    def command(self, operation: str, *data: str) -> None:
        """One of Tandem's own commands, as a person runs it. Raises `MachineError`."""
        label = " ".join([operation, *data])
        self.say(label)
        applied = self._note(Fault("command", label, ""), None)
        try:
            turns_s = TURN_S * len(self.cluster.nodes)
            self.commands.run(operation, *data, timeout_s=TIMEOUT_S + turns_s)
        except MachineError as error:
            self.mark(f"failed: {error}")
            raise
        finally:
            applied.to_at = time.monotonic()

    @contextlib.contextmanager
    def burden(self, label: str) -> Iterator[None]:
        """Within this, clients are a burden to the holder."""
        applied = self._note(Fault("burden", label, ""), self.holder)
        try:
            yield
        finally:
            applied.to_at = time.monotonic()

    # --- what shows that a fault has bitten --------------------------------------------------

    def look(self, node: Node, script: str, timeout_s: float = 10.0) -> None:
        """What a script prints on a machine; it succeeds where the fault has bitten."""
        status, text = self.machines.ask(node.name, script, timeout_s)
        self.sights.append(Sight(node.name, status == 0, text.strip() or "it said nothing"))

    @contextlib.contextmanager
    def changing(self, what: str, script: str, *nodes: Node) -> Iterator[None]:
        """The script has to print something else after this than before, on each machine."""
        names = [node.name for node in nodes]
        before = self.machines.everywhere(script, names)
        yield
        deadline = time.monotonic() + CHANGED_S
        while True:
            after = self.machines.everywhere(script, names)
            late = time.monotonic() > deadline
            if late or all(after[name] not in ("", before[name]) for name in names):
                break
            gevent.sleep(0.05)
        for name in names:
            was, now = before[name].strip(), after[name].strip()
            changed = now not in ("", was)
            self.sights.append(Sight(name, changed, f"{what}: {was} became {now or 'nothing'}"))

    def look_at_cable(self, node: Node, interface: str = "") -> None:
        """Whether an interface of a machine, by default the VIP's, has no carrier, as the lab sees
        it from outside."""
        name = interface or node.interface
        script = f"ip -o link show dev {name}"
        for _ in range(CARRIER_LOOKS):
            cut = "NO-CARRIER" in self._outside_says(node, script)
            if cut:
                break
            gevent.sleep(0.05)
        said = f"{name} has no carrier" if cut else f"{name} has a carrier"
        self.sights.append(Sight(node.name, cut, said))

    def count_adverts(self, what: str, *nodes: Node) -> None:
        """How many packets the rules of `drop_adverts` have counted by now, on each machine."""
        script = f"nft list table {faults.TABLE}"
        for node in nodes:
            if self.lab_here is None or has_nft(self.machines, node.name):
                listing = self.machines.run(node.name, script)
            else:
                listing = self._outside_says(node, script)
            number = fault_signs.packets(listing)
            self.sights.append(Sight(node.name, number > 0, f"{what}: {number}"))

    def _outside_says(self, node: Node, script: str) -> str:
        command = self.lab.outside(node.name, script)
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True
        ).stdout

    # --- the end -----------------------------------------------------------------------------

    def restore(self, *, at_end: bool = False) -> str:
        """Undo whatever is not undone; what could not be, in words. It never raises.

        What could not be undone is tried again: at once, unless that has taken long already, and
        whenever this is called again.
        `at_end`: also what is undone after everything else.
        """
        heal = partial(self.undo_log.heal, None, (), at_end=at_end)
        began = time.monotonic()
        # An interruption may come while something is being broken: it is undone afterwards.
        trouble = attempted(self.commands.kill, partial(gevent.joinall, self._injecting), heal)
        left = any(at_end or not applied.at_end for applied in self.left())
        if left and time.monotonic() - began < AT_ONCE_S and not attempted(heal):
            trouble += " (but at the second attempt)"
        return trouble

    def left(self) -> tuple[AppliedFault, ...]:
        """What still has to be undone."""
        return self.undo_log.left()

    def forgive(self) -> None:
        """Let the machines forget that nginx has failed; only when all is well again."""
        names = {applied.node for applied in self.undo_log.entries if applied.fault.key == "nginx"}
        self.machines.everywhere(faults.FORGIVEN, names)

    def log_mark(self, what: str) -> None:
        """Have every machine's log say that this drill "begins" or "ends": what keepalived says
        between the two, the verifier takes for the drill's. Nothing depends on it."""
        script = faults.log_mark(f"{self.drill} {what}")
        self.machines.answers(dict.fromkeys(self.machines.names, script))

    def abandon(self) -> str:
        """Leave nothing running; what went wrong with that, in words. It never raises."""
        children = [process.kill for process in self._children]
        return attempted(self.commands.kill, *children, self.monitor.abandon)


def attempted(*works: Callable[[], object]) -> str:
    """Do each, whatever becomes of the others; what went wrong, in words."""
    problems: list[str] = []
    for work in works:
        try:
            work()
        except MISHAPS as error:
            problems.append(told(error))
    return "; ".join(problems)
