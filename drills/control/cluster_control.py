"""What a scenario acts through: one cluster's faults, waiting, commands, and the way back.

Whatever a scenario does to the cluster it does through a `ClusterControl`, so that `restore` can
undo it in all cases: at the end, after an error, after Ctrl-C. When this process is killed, the
machines undo it themselves (self_undo.py), or a guard does here (lab_control.py).
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TypeVar

import gevent

from drills.control import faults
from drills.control.child_process import ChildProcess
from drills.control.fault_injection import FaultInjection
from drills.control.faults import Fault
from drills.control.machines import MachineError

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
