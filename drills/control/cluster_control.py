"""What a scenario acts through: one cluster's faults, waiting, commands, and the way back.

Whatever a scenario does to the cluster it does through a `ClusterControl`, so that `restore` can
undo it in all cases: at the end, after an error, after Ctrl-C. When this process is killed, the
machines undo it themselves (self_undo.py), or a guard does here (lab_control.py).
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import gevent

from drills.control import fault_signs, faults
from drills.control.child_process import ChildProcess
from drills.control.fault_injection import FaultInjection, has_nft
from drills.control.faults import Fault
from drills.control.machines import MachineError
from drills.records import Sight
from settings import Node

# A machine shows what was changed within this time.
CHANGED_S = 5.0
CARRIER_LOOKS = 20

Process = TypeVar("Process", bound=ChildProcess)


@dataclass(eq=False)
class ClusterControl(FaultInjection):
    """One repeat of one drill on one cluster."""

    _children: list[ChildProcess] = field(default_factory=list)

    def started(self, process: Process) -> Process:
        """A client process that has to end with this repeat."""
        self._children.append(process)
        return process

    # --- changing it on purpose --------------------------------------------------------------

    def change(self, operation: str = "deploy.py", *data: str) -> None:
        """The machines are about to be what the inventory does not say. This undoes that.

        Once, however often it is called: two deploys at a time would get into each other's way.
        """
        if any(applied.fault is faults.CHANGED for applied in self.undo_log.entries):
            return
        guard = self.commands.guard(operation, *data)

        def undo() -> None:
            self.command(operation, *data)
            guard.dismiss()

        self.undo_log.note(faults.CHANGED, "", undo)

    def command(self, operation: str, *data: str) -> None:
        """One of Tandem's own commands, as a person runs it. Raises `MachineError`."""
        label = " ".join([operation, *data])
        self.say(label)
        applied = self._note(Fault("command", label, ""), None, None)
        try:
            self.commands.run(operation, *data)
        except MachineError as error:
            self.mark(f"failed: {error}")
            raise
        finally:
            applied.to_at = time.monotonic()

    # --- what shows that a fault has bitten --------------------------------------------------

    def look(self, node: Node, script: str) -> None:
        """What a script prints on a machine; it succeeds where the fault has bitten."""
        status, text = self.machines.ask(node.name, script)
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

    def look_at_cable(self, node: Node) -> None:
        """Whether a machine's network card has no carrier, as the lab sees it from outside."""
        script = f"ip -o link show dev {node.interface}"
        for _ in range(CARRIER_LOOKS):
            cut = "NO-CARRIER" in self._outside_says(node, script)
            if cut:
                break
            gevent.sleep(0.05)
        said = f"{node.interface} has no carrier" if cut else f"{node.interface} has a carrier"
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

    def restore(self) -> str:
        """Undo whatever is not undone; what could not be, in words. May be called again."""
        self.commands.kill()
        # An interruption may come while something is being broken: it is undone afterwards.
        gevent.joinall(self._injecting)
        try:
            self.heal()
        except MachineError as error:
            return str(error)
        return ""

    def forgive(self) -> None:
        """Let the machines forget that nginx has failed; only when all is well again."""
        names = {applied.node for applied in self.undo_log.entries if applied.fault.key == "nginx"}
        self.machines.everywhere(faults.FORGIVEN, names)

    def abandon(self) -> None:
        """Leave nothing running."""
        self.commands.kill()
        for process in self._children:
            process.kill()
        with contextlib.suppress(MachineError):
            self.monitor.abandon()
