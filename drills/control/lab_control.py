"""Cables, cards and power switches of machines, which only the lab has."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from shlex import join
from typing import TYPE_CHECKING

from gevent.lock import Semaphore

from drills.control.machines import MachineError
from settings import Node

if TYPE_CHECKING:
    from lab.twin import Lab


Address = IPv4Address | IPv6Address


def lab_here() -> Lab | None:
    """The lab that this process runs inside; None outside of any."""
    import settings

    if not settings.IN_LAB:
        return None
    from lab.twin import Lab

    return Lab.load()


class Guard:
    """Runs a command when this process dies without having called `dismiss`.

    `keeping`: file descriptors that it keeps open, with their locks, until the command has ended.
    """

    def __init__(self, command: list[str], keeping: Sequence[int] = ()):
        # Its input ends when this process does, in whatever way.
        self._process = subprocess.Popen(
            ["sh", "-c", f"read -r done || {join(command)}; :"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=tuple(keeping),
        )

    def dismiss(self) -> None:
        """It is not needed any more, or there is none any more."""
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(OSError):
                self._process.communicate(b"done\n")


class LabControl:
    """What can be done to the lab's machines from outside, by their names."""

    def __init__(self, lab: Lab):
        self.twin = lab
        # The lab's own lock would block this whole process, with the greenlet that holds it.
        self._turn = Semaphore()

    def power_off(self, name: str) -> None:
        with self._turn:
            self.twin.power_off(name)

    def power_on(self, name: str) -> None:
        """It boots while this returns."""
        from lab.guests import guest
        from lab.twin import locked

        machine = self.twin.machine(name)
        with self._turn, locked(self.twin.state):
            if not guest.is_on(self.twin.plan, machine):
                guest.power_on(self.twin.state, self.twin.plan, machine)

    def outside(self, name: str, script: str) -> list[str]:
        """The command that runs `script` in a machine's network, with the programs of this host."""
        from lab.host import bridge

        return [*bridge.inside(self.twin.machine(name).netns), "sh", "-c", script]

    def run_outside(self, name: str, script: str) -> None:
        """Raises `MachineError` when it fails."""
        done = subprocess.run(
            self.outside(name, script), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            raise MachineError(f"{name}: {script}: {done.stderr.strip()}")

    def connect(self, node: Node, port: str, pid: int, card: str, mac: str) -> None:
        """A card for a process with a network of its own, on the network of a node's VIP."""
        from lab.host import bridge

        network = self.twin.machine(node.name).card(node.interface).bridge
        bridge.connect(self.twin.plan, network, port, pid, card, mac)

    def sources(self, version: int) -> tuple[str, ...]:
        """The addresses of clients behind the routers, of IPv4 or of IPv6."""
        clients = self.twin.plan.client_network
        found = clients.sources if clients else ()
        return tuple(each for each in found if ip_address(each).version == version)

    def router_at(self, address: Address) -> str:
        """The name of the router that has that address."""
        return self.twin.router(str(address)).name

    def ask_router(self, name: str, question: str) -> str:
        """What a router's BIRD answers. Raises `MachineError` where it does not."""
        from lab.errors import LabError

        try:
            return self.twin.ask_router(question, name)
        except LabError as error:
            raise MachineError(f"{name}: {error}") from error

    def next_hops(self, name: str, vip: Address) -> set[str]:
        """Where a router's kernel sends what is for that address now."""
        from lab.host import bridge

        netns = self.twin.router(name).netns
        words = [f"-{vip.version}", "route", "show", str(vip)]
        shown = subprocess.run(
            [*bridge.inside(netns), "ip", *words], capture_output=True, text=True
        )
        return set(re.findall(r"\bvia (\S+)", shown.stdout))

    def own_prefix(self, name: str) -> int:
        """How long the prefix of a machine's own network is."""
        return self.twin.machine(name).prefix_length

    def restart_router(self, name: str) -> None:
        """Kill a router's BIRD, and start it again."""
        with self._turn:
            self.twin.restart_router(name)

    def switch(self, verb: str, *words: str) -> None:
        """`lab VERB NAME`, or `lab VERB NAME INTERFACE`; power-on without waiting for the boot.

        Raises `LabError`, which says what is wrong.
        """
        (self._verbs | {"power-on": self.power_on})[verb](*words)

    def switch_whole(self, verb: str, *words: str) -> None:
        """The same as a person types it: a machine that is switched on has booted."""
        self._verbs[verb](*words)

    @property
    def _verbs(self) -> dict[str, Callable[..., None]]:
        """What undoes something, as a person types it."""
        twin = self.twin
        return {
            "plug": twin.plug,
            "power-on": twin.power_on,
            "give-card": twin.give_card,
            "resume": twin.resume,
            "restart-router": twin.restart_router,
        }


def command(verb: str, *words: str) -> list[str]:
    """The lab's command that does what `switch` does, for another process."""
    return [sys.executable, "-m", "lab", verb, *words]
