"""A drill's steps on machines that only remember what it breaks, looks at and undoes."""

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from drills.control import cluster_control, lab_injection
from drills.control.cluster_control import ClusterControl
from drills.control.fault_injection import FaultInjection
from drills.control.machines import MachineError, Machines
from drills.control.routed import routed_control
from drills.control.routed.routed_control import RoutedControl
from drills.scenarios import burdens, network_failures
from drills.scenarios.scenario import Drill
from settings import Cluster
from settings.run_options import RunOptions
from tests.support.samples import DEFAULT

_ARMED = re.compile(r"/run/tandem-drill/([a-z0-9-]+)\.undo(.*)", re.DOTALL)
# What the verifier would say to each of these mishaps.
_NAMED = "verify.py: exit 1: NET-05 X-07"


class _Machines(Machines):
    """`broken`: (machine, key) of what is armed there. Each look finds something else."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self._hosts: Any = dict.fromkeys(node.name for node in cluster.nodes)
        self.broken: set[tuple[str, str]] = set()
        self._looks = itertools.count(1)

    def ask(self, name: str, script: str, timeout_s: float = 10.0) -> tuple[int, str]:
        armed = _ARMED.search(script)
        if armed and "printf" in script:
            self.broken.add((name, armed[1]))
        elif armed and script.startswith("[ -e"):
            self.broken.discard((name, armed[1]))
        shown = "bit=yes shown\n" if "bit=$bit" in script else ""
        return 0, f"at=1.0\n{shown}at=2.0\ncounter packets {next(self._looks)} bytes 1\n"

    def insist(self, name: str, script: str, timeout_s: float = 30.0) -> str:
        return self.run(name, script, timeout_s)

    def forget(self, name: str) -> None: ...

    def wait_for(self, name: str, timeout_s: float) -> None: ...

    def reconnect(self, name: str, timeout_s: float) -> None: ...


class _Lab:
    """`broken`: (machine, what undoes it)."""

    def __init__(self) -> None:
        self.broken: set[tuple[str, str]] = set()
        self._boots = itertools.count()
        self.twin = SimpleNamespace(
            unplug=lambda name, *on: self.broken.add((name, "plug")),
            take_card=lambda name, *on: self.broken.add((name, "give-card")),
            pause=lambda name: self.broken.add((name, "resume")),
            is_paused=lambda name: (name, "resume") in self.broken,
        )

    def power_off(self, name: str) -> None:
        self.broken.add((name, "power-on"))

    def switch(self, verb: str, name: str, *on: str) -> None:
        self.broken.discard((name, verb))

    def outside(self, name: str, script: str) -> list[str]:
        return ["echo", "NO-CARRIER"]

    def connect(self, *given: object) -> None: ...

    def router_at(self, address: object) -> str:
        return f"router{str(address)[-1]}"

    def next_hops(self, router: str, vip: object) -> set[str]:
        return set()

    def ask_router(self, router: str, question: str) -> str:
        return f"Last reboot on {next(self._boots)}\n"

    def restart_router(self, router: str) -> None: ...

    def own_prefix(self, name: str) -> int:
        return 24


class _Guard:
    """One that waits has something to undo, should this process die."""

    def __init__(self, command: list[str], keeping: object = ()):
        self.command = command

    def dismiss(self) -> None: ...


class _Clients:
    """A burden, or a stranger: there, and ended in time."""

    mac = "02:00:00:00:00:99"
    said: ClassVar[dict[str, float]] = {
        "pid": 1,
        "closed": 0,
        "asked": 9000,
        "answered": 9000,
        "idle": 10000,
        "seconds": 1.0,
    }

    def __init__(self, *given: object): ...

    def there(self) -> None: ...

    def called(self) -> dict[str, str]:
        return {"172.16.12.1": "refused", "172.16.12.61": "closed"}

    def stop(self, timeout_s: float = 1.0) -> None: ...

    kill = stop


class Rehearsal(ClusterControl):
    """One repeat that takes no time."""

    def __init__(self, drill: Drill, cluster: Cluster):
        def named(*words: str) -> None:
            raise MachineError(_NAMED)

        commands: Any = SimpleNamespace(
            run=named, kill=lambda: None, arguments=lambda *words: ["pyinfra", *words]
        )
        options = RunOptions.model_validate({"drills": drill.name, "moves": 1})
        self._twin = _Lab()
        lab: Any = self._twin
        super().__init__(
            _Machines(cluster), lab, commands, options, DEFAULT, drill, lambda words: None
        )

    @property
    def broken(self) -> set[tuple[str, str]]:
        """(machine, what undoes it) of all that is broken now."""
        assert isinstance(self.machines, _Machines)
        return self.machines.broken | self._twin.broken

    def wait(self, seconds: float) -> None: ...

    def watch(self) -> None: ...


class RoutedRehearsal(Rehearsal, RoutedControl):
    """The same on a cluster of which every node announces the address."""


def rehearse(drill: Drill, cluster: Cluster, patch: pytest.MonkeyPatch) -> Rehearsal:
    """A repeat in which `drill` has been prepared and done, and nothing undone by the runner."""
    connections = itertools.count(0, 100_000)
    memory = SimpleNamespace(
        script=lambda node: "memory",
        parse=lambda text: SimpleNamespace(connections=next(connections)),
    )
    monitor = SimpleNamespace(
        moment=lambda name, at, here: here,
        **dict.fromkeys(("start", "fetch", "node_off", "cut_off"), lambda *given, **named: None),
    )
    stranger = SimpleNamespace(Popen=lambda *given, **named: SimpleNamespace(**_SPEAKER))
    for owner, name, value in (
        (FaultInjection, "monitor", property(lambda control: monitor)),
        (lab_injection, "Guard", _Guard),
        (cluster_control, "Guard", _Guard),
        (lab_injection, "StrangerProcess", _Clients),
        (lab_injection, "_neighbour", lambda address: _Clients.mac),
        (lab_injection, "_own_address", lambda node: "172.16.0.1"),
        (lab_injection, "subprocess", stranger),
        (burdens, "BurdenProcess", _Clients),
        (routed_control, "Guard", _Guard),
        (routed_control, "BgpStrangerProcess", _Clients),
        (burdens, "memory_use", memory),
        (network_failures, "STRANGER_S", 0.01),
    ):
        patch.setattr(owner, name, value)
    control = (RoutedRehearsal if cluster.routed else Rehearsal)(drill, cluster)
    if drill.prepare:
        drill.prepare(control)
    drill.steps(control)
    return control


_SPEAKER = {"kill": lambda: None, "wait": lambda: None, "returncode": 0}
