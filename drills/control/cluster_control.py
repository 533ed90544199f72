"""One cluster while it is drilled: breaks it, remembers what has to be put back, and puts it back.

Whatever a play does to the cluster it does through a `Stage`, so that `restore` can undo it in
all cases: at the end, after an error, after Ctrl-C; and the machines by themselves (deadman.py)
or a guard here (hands.py) when this process is killed.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import gevent

from drills.analysis.expected_outage import Timing
from drills.clients import rogue_router
from drills.control import faults, self_undo
from drills.control.child_process import Child
from drills.control.faults import Fault
from drills.control.holder_monitor import Sampler
from drills.control.lab_control import Guard, Hands
from drills.control.long_lived_load import Load
from drills.control.machines import MachineError, Machines
from drills.control.own_commands import Commands
from drills.control.undo_log import Broken, Ledger
from drills.control.waiting import Watched
from drills.results import Event
from settings import Node

BOOT_TIMEOUT_S = 300.0
SHELL_TIMEOUT_S = 60.0


class Stage(Watched):
    """One repeat of one drill on one cluster."""

    def __init__(
        self,
        machines: Machines,
        hands: Hands | None,
        commands: Commands,
        timing: Timing,
        longest_s: float,
        steady_s: float,
        say: Callable[[str], None],
    ):
        super().__init__(machines, timing, longest_s, steady_s, say)
        self.commands = commands
        self.load: Load | None = None
        # How often a switch-over goes there and back.
        self.moves = 10
        # How many clients a crowd has, and for how long they are there.
        self.idle = 10_000
        self.hold_s = 60.0
        self.crowd: Child | None = None
        # What was measured beside requests, in words.
        self.notes: list[str] = []
        self.sampler = Sampler(machines, same_clock=hands is not None)
        self._hands = hands
        self.ledger = Ledger()
        self._injecting: list[gevent.Greenlet[[Fault, Node], str]] = []
        self._events: list[tuple[float, str]] = []

    @property
    def hands(self) -> Hands:
        if self._hands is None:
            raise MachineError("cables and power need the lab")
        return self._hands

    # --- breaking ----------------------------------------------------------------------------

    def mark(self, text: str) -> None:
        """Remember what happens now, for the picture."""
        self._events.append((time.monotonic(), text))

    def inject(self, fault: Fault, *nodes: Node) -> None:
        """Break something on several machines at once."""
        self._injecting = [gevent.spawn(self._inject, fault, node) for node in nodes]
        gevent.joinall(self._injecting)
        problems = [problem for job in self._injecting if (problem := job.get())]
        self._injecting = []
        if problems:
            raise MachineError("; ".join(problems))

    def _inject(self, fault: Fault, node: Node) -> str:
        # Noted before: a machine that does not answer any more may be broken all the same.
        broken = self._note(fault, node, lambda: self._undo(fault, node))
        # Longer than the slowest settings take, so that it never meddles with a drill.
        outlives_s = self_undo.OUTLIVES_S + 3 * round(self.steady_s + self.longest_s)
        script = self_undo.inject(fault.key, fault.do, fault.undo, outlives_s)
        try:
            moments = self_undo.times(self.machines.run(node.name, script))
        except MachineError as error:
            return str(error)
        began = self.sampler.moment(node.name, moments[0], broken.from_at)
        if self.reference_at == broken.from_at:
            self.reference_at = began
        broken.from_at = began
        if not fault.undo:
            broken.undo = None
            ended = self.sampler.moment(node.name, moments[-1], time.monotonic())
            broken.to_at = ended + fault.lasts_s
        return ""

    def _undo(self, fault: Fault, node: Node) -> None:
        if fault.undo:
            self.machines.run(node.name, self_undo.undo(fault.key), timeout_s=30)

    def _note(self, fault: Fault, node: Node | None, undo: Callable[[], None] | None) -> Broken:
        broken = self.ledger.note(fault, node.name if node else "", undo)
        if self.reference_at is None:
            self.reference_at = broken.from_at
        return broken

    def heal(self, fault: Fault | None = None, *nodes: Node) -> None:
        """Undo one fault, or all; at the same moment on several machines."""
        self.ledger.heal(fault, (node.name for node in nodes))

    # --- what only the lab can ---------------------------------------------------------------

    def unplug(self, node: Node) -> None:
        guard = self.hands.guard("plug", node.name)
        broken = self._from_outside(Fault("cable", "cable pulled", ""), node, guard, self._plug)
        self._began(broken)
        self.hands.unplug(node.name)

    def _plug(self, node: Node) -> None:
        self.hands.plug(node.name)

    def power_off(self, *nodes: Node) -> None:
        fault = Fault("power", "power off", "")
        noted = []
        for node in nodes:
            guard = self.hands.guard("power-on", node.name)
            noted.append(self._from_outside(fault, node, guard, self._power_on))
        for node, broken in zip(nodes, noted, strict=True):
            self._began(broken)
            self.sampler.node_off(node.name)
            self.hands.power_off(node.name)
        for node in nodes:
            self.machines.forget(node.name)

    def power_on(self, *nodes: Node) -> None:
        """At the same moment; returns when all of them let us in again."""
        self.hands.power_on(*(node.name for node in nodes))
        self.heal(None, *nodes)

    def _power_on(self, node: Node) -> None:
        self.hands.power_on(node.name)
        self._back(node)

    def _back(self, node: Node) -> None:
        self.machines.reconnect(node.name, BOOT_TIMEOUT_S)
        self.sampler.start((node.name,), late=True)
        self.mark(f"{node.name} has booted")

    def _from_outside(
        self, fault: Fault, node: Node, guard: Guard, undo: Callable[[Node], None]
    ) -> Broken:
        def put_back() -> None:
            undo(node)
            guard.dismiss()

        return self._note(fault, node, put_back)

    def _began(self, broken: Broken) -> None:
        """It is broken from now on, and not since it was prepared."""
        if self.reference_at == broken.from_at:
            self.reference_at = time.monotonic()
        broken.from_at = time.monotonic()

    def reboot(self, node: Node) -> None:
        """In order, by its own init; returns when it has booted."""
        booted = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat"
        before = self.machines.run(node.name, booted)
        broken = self._note(faults.REBOOTED, node, None)
        self.machines.run(node.name, faults.REBOOTED.do)
        self.sampler.node_off(node.name, until_taken=True)
        self.machines.forget(node.name)
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while True:
            gevent.sleep(0.2)
            self.machines.reconnect(node.name, deadline - time.monotonic())
            try:
                if self.machines.run(node.name, booted, timeout_s=2) != before:
                    break
            except MachineError:
                pass  # on its way down
            self.machines.forget(node.name)
        broken.to_at = time.monotonic()
        self.sampler.start((node.name,), late=True)
        self.mark(f"{node.name} has booted")

    def drop_adverts(self, fault: Fault, *nodes: Node) -> None:
        """By nft on the machine; where it has none, in the lab, by the one around it."""
        for node in nodes:
            if self._hands is None or has_nft(self.machines, node.name):
                self.inject(fault, node)
                continue
            guard = Guard(self._hands.outside(node.name, fault.undo))

            def undo(node: Node) -> None:
                self._outside(node, fault.undo)

            self._from_outside(fault, node, guard, undo)
            self._outside(node, fault.do)

    def _outside(self, node: Node, script: str) -> None:
        done = subprocess.run(
            self.hands.outside(node.name, script),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise MachineError(f"{node.name}: {script}: {done.stderr.strip()}")

    def rogue(self, seconds: float) -> None:
        """Somebody on the network claims the address for so long, as loud as VRRP allows."""
        # Nobody but the lab's machines may hear it.
        assert self.hands
        self.inject(faults.ROGUE, *self.cluster.nodes)
        node = self.holder
        words = (node.vip.ip, node.virtual_router_id, node.vrrp_version, node.advert_s)
        peers = [each.own for each in self.cluster.nodes]
        command = [_own_address(node), *words, node.auth_pass, seconds, *peers]
        speaks = subprocess.Popen([sys.executable, rogue_router.__file__, *map(str, command)])
        try:
            self.wait(seconds)
        finally:
            speaks.kill()
            speaks.wait()
        self.expect(speaks.returncode in (0, -signal.SIGKILL), "the rogue could not speak")
        self.heal(faults.ROGUE, *self.cluster.nodes)

    # --- changing it on purpose --------------------------------------------------------------

    def change(self, operation: str = "deploy.py", *data: str) -> None:
        """The machines are about to be what the inventory does not say. This undoes that.

        Once, however often it is said: two deploys at a time would get into each other's way.
        """
        if any(broken.fault is faults.CHANGED for broken in self.ledger.entries):
            return
        guard = self.commands.guard(operation, *data)

        def put_back() -> None:
            self.command(operation, *data)
            guard.dismiss()

        self.ledger.note(faults.CHANGED, "", put_back)

    def command(self, operation: str, *data: str) -> None:
        """One of Tandem's own commands, as a person runs it. Raises `MachineError`."""
        label = " ".join([operation, *data])
        self.say(label)
        broken = self._note(Fault("command", label, ""), None, None)
        try:
            self.commands.run(operation, *data)
        except MachineError as error:
            self.mark(f"failed: {error}")
            raise
        finally:
            broken.to_at = time.monotonic()

    def shell(self, label: str, node: Node, script: str) -> None:
        """A command on a machine that harms nothing. Raises `MachineError`."""
        broken = self._note(Fault("command", label, ""), node, None)
        try:
            self.machines.run(node.name, script, SHELL_TIMEOUT_S)
        finally:
            broken.to_at = time.monotonic()

    @staticmethod
    def expect(true: bool, otherwise: str) -> None:
        if not true:
            raise MachineError(otherwise)

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
        names = {broken.node for broken in self.ledger.entries if broken.fault.key == "nginx"}
        self.machines.everywhere(faults.FORGIVEN, names)

    def abandon(self) -> None:
        """Leave nothing running."""
        self.commands.kill()
        for child in (self.probe, self.load, self.crowd):
            if child:
                child.kill()
        with contextlib.suppress(MachineError):
            self.sampler.abandon()

    def events(self, t0: float) -> tuple[Event, ...]:
        return tuple(Event(round(at - t0, 4), text) for at, text in sorted(self._events))


def _own_address(node: Node) -> str:
    """This machine's own address on the way to `node`."""
    family = socket.AF_INET if node.vip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as way:
        way.connect((str(node.own), 9))
        return str(way.getsockname()[0])


def has_nft(machines: Machines, name: str) -> bool:
    return machines.ask(name, "command -v nft")[0] == 0
