"""Breaks machines of the lab from outside: cables, power, filters around them, a rogue router."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from drills.clients import rogue_router
from drills.control import faults
from drills.control.faults import Fault
from drills.control.lab_control import Guard, LabControl
from drills.control.machine_faults import BOOT_TIMEOUT_S, MachineFaults
from drills.control.machines import MachineError, Machines
from drills.control.undo_log import AppliedFault
from settings import Node


class LabFaults(MachineFaults):
    """Faults that need the lab. Should this process die, a `Guard` undoes each of them."""

    @property
    def lab(self) -> LabControl:
        if self._lab is None:
            raise MachineError("cables and power need the lab")
        return self._lab

    def unplug(self, node: Node) -> None:
        """Pull a machine's network cable."""
        guard = self.lab.guard("plug", node.name)
        fault = Fault("cable", "cable pulled", "")
        applied = self._guarded(fault, node, guard, partial(self.lab.plug, node.name))
        self._began(applied, time.monotonic())
        self.lab.unplug(node.name)

    def power_off(self, *nodes: Node) -> None:
        """Cut the machines' power, one right after the other."""
        fault = Fault("power", "power off", "")
        noted = []
        for node in nodes:
            guard = self.lab.guard("power-on", node.name)
            noted.append(self._guarded(fault, node, guard, partial(self._power_on, node)))
        for node, applied in zip(nodes, noted, strict=True):
            self._began(applied, time.monotonic())
            self.monitor.node_off(node.name)
            self.lab.power_off(node.name)
        for node in nodes:
            self.machines.forget(node.name)

    def power_on(self, *nodes: Node) -> None:
        """At the same moment; returns when all of them accept connections again."""
        self.lab.power_on(*(node.name for node in nodes))
        self.heal(None, *nodes)

    def _power_on(self, node: Node) -> None:
        self.lab.power_on(node.name)
        self.machines.reconnect(node.name, BOOT_TIMEOUT_S)
        self._booted(node)

    def _guarded(
        self, fault: Fault, node: Node, guard: Guard, undo: Callable[[], None]
    ) -> AppliedFault:
        def undo_and_dismiss() -> None:
            undo()
            guard.dismiss()

        return self._note(fault, node, undo_and_dismiss)

    def drop_adverts(self, fault: Fault, *nodes: Node) -> None:
        """By nft on the machine; where it has none, by nft of the lab's host in its network."""
        for node in nodes:
            if self._lab is None or has_nft(self.machines, node.name):
                self.inject(fault, node)
                continue
            guard = Guard(self._lab.outside(node.name, fault.undo))
            self._guarded(fault, node, guard, partial(self._outside, node, fault.undo))
            self._outside(node, fault.do)

    def _outside(self, node: Node, script: str) -> None:
        done = subprocess.run(
            self.lab.outside(node.name, script),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise MachineError(f"{node.name}: {script}: {done.stderr.strip()}")

    def rogue(self, seconds: float) -> None:
        """A stranger on the network claims the address for so long, with the highest priority."""
        # Only the lab's machines may receive it.
        assert self.lab
        self.inject(faults.ROGUE, *self.cluster.nodes)
        node = self.holder
        words = (node.vip.ip, node.virtual_router_id, node.vrrp_version, node.advert_s)
        peers = [each.own for each in self.cluster.nodes]
        command = [_own_address(node), *words, node.auth_pass, seconds, *peers]
        speaker = subprocess.Popen([sys.executable, rogue_router.__file__, *map(str, command)])
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
