"""Machines, processes and a monitor that only pretend, and pass by where a world lets them fail."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from drills.control.machines import Machines
from drills.results import HolderSample, Request, RequestOutcome

if TYPE_CHECKING:
    from tests.support.drilling.drill_world import World


class PretendedMachines(Machines):
    """Two machines that remember which faults are armed on them."""

    def __init__(self, world: World):
        self.world = world
        self.cluster = world.cluster
        pretended: Any = SimpleNamespace()
        self._hosts = dict.fromkeys((node.name for node in world.cluster.nodes), pretended)

    def ask(self, name: str, script: str, timeout_s: float = 10.0) -> tuple[int, str]:
        self.world.pass_by(f"asking {name}")
        armed = re.search(r"/run/tandem-drill/([a-z-]+)\.undo(.*)", script, re.DOTALL)
        if armed and "printf" in script:
            self.world.broken.add((name, armed[1]))
            return 0, "at=1.0\nat=2.0"
        if armed and script.startswith("[ -e"):
            self.world.pass_by("undoing")
            self.world.pass_by(f"undoing on {name}")
            self.world.broken.discard((name, armed[1]))
            return 0, ""
        if "for file in" in script:
            self.world.pass_by("sweeping")
            self.world.broken = {each for each in self.world.broken if each[0] != name}
            return 0, ""
        holds = "holds" if name == self.cluster.preferred.name else ""
        return 0, f"{holds} nginx keepalived http=200"

    def insist(self, name: str, script: str, timeout_s: float = 30.0) -> str:
        return self.run(name, script, timeout_s)

    def forget(self, name: str) -> None:
        pass

    def reconnect(self, name: str, timeout_s: float) -> None:
        pass


class PretendedProcess:
    """A prober, or a load, that has found nothing wrong."""

    def __init__(self, world: World, name: str, spec: Any):
        world.pass_by(f"{name} starts")
        self._world, self._name = world, name
        self.spec = spec
        self.t0 = time.monotonic()
        self.requests = [Request(0.0, 0.0, 0.001, 0.002, RequestOutcome.OK, "host1")]
        world.running.add(name)

    def now_s(self) -> float:
        return time.monotonic() - self.t0

    def good_since(self, node: str = "") -> float:
        return 9.0

    def lost_since(self, from_s: float) -> bool:
        return False

    def stop(self, timeout_s: float = 1.0) -> None:
        self._world.pass_by(f"{self._name} stops")

    def finished(self, t0: float) -> tuple[()]:
        self._world.pass_by(f"{self._name} stops")
        return ()

    def void(self) -> str:
        return ""

    def kill(self) -> None:
        self._world.running.discard(self._name)


class PretendedMonitor:
    """Who holds the address never changes."""

    def __init__(self, world: World):
        self._world = world

    def start(self, names: Any = None, late: bool = False) -> None:
        self._world.pass_by("the monitor starts")
        self._world.running.add("the monitor")

    def stop(self, t0: float) -> tuple[HolderSample, ...]:
        self._world.pass_by("the monitor stops")
        self._world.running.discard("the monitor")
        return (HolderSample(0.0, ("host1",)),)

    def void(self) -> str:
        return ""

    def moment(self, name: str, at: float, here: float) -> float:
        return here

    def node_off(self, name: str, *, until_taken: bool = False) -> None:
        pass

    def abandon(self) -> None:
        self._world.pass_by("the monitor is abandoned")
        self._world.running.discard("the monitor")
