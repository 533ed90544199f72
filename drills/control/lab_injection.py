"""Breaks machines from the lab around them: cables, power, cards, whole machines, strangers.

Should this process die, a `Guard` undoes it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from shlex import join
from typing import TypeVar

from drills.clients import address_stranger, rogue_router
from drills.clients.address_stranger import StrangerSpec
from drills.control import faults, lab_control
from drills.control.fault_injection import BOOT, BOOT_TIMEOUT_S, FaultInjection, has_nft
from drills.control.faults import Fault
from drills.control.lab_control import Guard, LabControl
from drills.control.machines import MachineError
from drills.control.processes.child_process import ChildProcess
from drills.control.undo_journal import UndoRecord, Way
from drills.control.undo_log import AppliedFault
from drills.results import Sight
from settings import Node

CABLE_OUT = Fault("cable", "cable pulled", "")
CARD_OUT = Fault("card", "network card taken out", "")
PAUSED = Fault("pause", "paused, off the network", "")
POWERLESS = Fault("power", "power off", "")
STRANGER = Fault("stranger", "a stranger has the address", "")
STRANGER_PORT = "stranger"
# It ends after this time more, should nobody end it.
STRANGER_MORE_S = 10.0
LOOK_S = 0.1

Process = TypeVar("Process", bound=ChildProcess)


class StrangerProcess(ChildProcess):
    """The stranger, in a network of its own that has no card yet."""

    mac = address_stranger.MAC

    def __init__(self, spec: StrangerSpec, prefix: Sequence[str]):
        module = "drills.clients.address_stranger"
        super().__init__("the stranger", module, spec.to_json(), prefix)
        self._wait_for("pid")

    def there(self) -> None:
        """Wait until it has the address."""
        self._wait_for("there")


@dataclass(eq=False)
class LabInjection(FaultInjection):
    """What only the lab can do to machines."""

    _children: list[ChildProcess] = field(default_factory=list)

    def started(self, process: Process) -> Process:
        """A client process that has to end with this repeat."""
        self._children.append(process)
        return process

    @property
    def lab(self) -> LabControl:
        assert self.lab_here is not None  # drills that need it are skipped outside
        return self.lab_here

    def unplug(self, node: Node, interface: str = "") -> None:
        """Pull the cable of an interface of a machine, by default the VIP's."""
        words = (node.name, interface or node.interface)
        undo = partial(self.lab.switch, "plug", *words)
        applied = self._by_lab(CABLE_OUT, node, "plug", undo, words)
        self._began(applied, time.monotonic())
        self.lab.twin.unplug(*words)

    def take_card(self, node: Node) -> None:
        """Take the VIP's network card out. `heal(CARD_OUT)`: it gets one of the same name."""
        words = (node.name, node.interface)
        undo = partial(self.lab.switch, "give-card", *words)
        self._began(self._by_lab(CARD_OUT, node, "give-card", undo, words), time.monotonic())
        self.lab.twin.take_card(*words)

    def pause(self, node: Node) -> None:
        """Have a machine stand still, off the network. `heal(PAUSED)`: it goes on."""

        holds = self.machines.ask(node.name, faults.holds(node))[0] == 0

        def resume() -> None:
            self.lab.switch("resume", node.name)
            if holds:
                self.monitor.cut_off(node.name, False)

        applied = self._by_lab(PAUSED, node, "resume", resume)
        self._began(applied, time.monotonic())
        self.lab.twin.pause(node.name)
        if holds:
            self.monitor.cut_off(node.name, True)
        frozen = self.lab.twin.is_paused(node.name)
        said = "all of its processes stand still" if frozen else "its processes go on"
        self.sights.append(Sight(node.name, frozen, said))

    def power_off(self, *nodes: Node) -> None:
        """Cut the machines' power, one right after the other."""
        names = [node.name for node in nodes]
        self._boots |= self.machines.everywhere(BOOT, names)
        self.monitor.fetch(*names)
        noted = [
            self._by_lab(POWERLESS, node, "power-on", partial(self._power_on, node))
            for node in nodes
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
        self,
        fault: Fault,
        node: Node,
        verb: str,
        undo: Callable[[], object],
        words: tuple[str, ...] = (),
    ) -> AppliedFault:
        """`words`: what the lab's command is given; by default the machine's name."""
        command = (verb, *(words or (node.name,)))
        record = self._record(fault.label, Way.LAB, command, join(("lab", *command)), node)
        guard = Guard(lab_control.command(*command), self.keeping)
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
        peers = [each.speaks_from for each in self.cluster.nodes]
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

    def stranger(self, seconds: float) -> None:
        """Somebody else on the network has the VIP for so long; from then on it can be reached."""
        words = ["unshare", "--net", "--"]
        spec = StrangerSpec(str(self.holder.vip), seconds + STRANGER_MORE_S)
        taker = self.started(StrangerProcess(spec, words))
        applied = self._note(STRANGER, None)
        card = address_stranger.CARD
        self.lab.connect(self.holder, STRANGER_PORT, taker.said["pid"], card, taker.mac)
        taker.there()
        self._began(applied, time.monotonic())
        known: list[str] = []
        while time.monotonic() < applied.from_at + seconds:
            known.append(_neighbour(str(self.holder.vip.ip)))
            self.wait(LOOK_S)
        # The holder announces the address, too: it goes to and fro.
        his = known.count(taker.mac)
        said = f"in {his} of {len(known)} looks it was at {taker.mac}, the stranger's MAC"
        self.sights.append(Sight("", his > 0, said))
        taker.stop()
        applied.to_at = time.monotonic()


def _neighbour(address: str) -> str:
    """The MAC that this machine has for an address; "" for none."""
    listed = subprocess.run(["ip", "neighbour", "show", address], capture_output=True, text=True)
    words = listed.stdout.split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def _own_address(node: Node) -> str:
    """This machine's own address in the network in which `node` speaks VRRP."""
    family = socket.AF_INET if node.vip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as way:
        way.connect((str(node.speaks_from), 9))
        return str(way.getsockname()[0])
