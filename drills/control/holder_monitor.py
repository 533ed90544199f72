"""Watches on every node of a cluster, during one repeat, whether it holds the address."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict

import gevent

from drills.analysis import holder_timeline
from drills.control.machines import MachineError, Machines
from drills.control.self_undo import DIRECTORY
from drills.results import HolderSample

# Nobody watches for longer than this, should the controller die.
LONGEST_S = 1800
# A clock that was stepped meanwhile must not tear the timeline apart.
CLOCK_JUMP_S = 5.0


def _start(interface: str) -> str:
    watch = (
        f"echo $$ >{DIRECTORY}/watch.pid; "
        f"exec timeout {LONGEST_S} ip -ts -o monitor address dev {interface}"
    )
    return (
        f"mkdir -p -m 700 {DIRECTORY}; "
        f"TZ=UTC setsid --fork sh -c '{watch}' >{DIRECTORY}/watch 2>/dev/null </dev/null; "
        f"sleep 0.05; date +%s.%N; ip -o address show dev {interface}"
    )


_STOP = f"kill $(cat {DIRECTORY}/watch.pid) 2>/dev/null; cat {DIRECTORY}/watch"


class Sampler:
    """One timeline. Its times are those of `clock`, which maps CLOCK_MONOTONIC to a repeat's."""

    def __init__(self, machines: Machines, same_clock: bool):
        self._machines = machines
        self._cluster = machines.cluster
        self._same_clock = same_clock
        self._address = machines.cluster.vip.ip
        # By node: (CLOCK_MONOTONIC here, whether it holds the address)
        self._seen: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        self._offset_s: dict[str, float] = {}
        self._late: set[str] = set()
        self._going_down: dict[str, float] = {}
        self._watching: set[str] = set()

    def start(self, names: tuple[str, ...] | None = None, late: bool = False) -> None:
        """`late`: the machine has just been switched on, and may have the address for a while."""
        chosen = self._machines.names if names is None else names
        gevent.joinall([gevent.spawn(self._start, name, late) for name in chosen], raise_error=True)

    def _start(self, name: str, late: bool) -> None:
        node = next(node for node in self._cluster.nodes if node.name == name)
        answer = self._machines.run(name, _start(node.interface))
        arrived, wall = time.monotonic(), time.time()
        there, _, listing = answer.partition("\n")
        # The answer left at once after the clock was read: half a millisecond on a LAN.
        self._offset_s[name] = 0.0 if self._same_clock else float(there) - wall
        held = holder_timeline.shown(listing, self._address)
        self._seen[name].append((arrived, held))
        if late and held:
            self._late.add(name)
        self._watching.add(name)

    def moment(self, name: str, at: float, here: float) -> float:
        """A machine's `date` as a moment of CLOCK_MONOTONIC; `here`, if its clock was stepped."""
        moment = at - self._offset_s.get(name, 0.0) - time.time() + time.monotonic()
        return moment if abs(moment - here) < CLOCK_JUMP_S else here

    def node_off(self, name: str, *, until_taken: bool = False) -> None:
        """A machine without power holds nothing, and what it had written down is gone.

        `until_taken`: it goes down in order now, and has the address until another takes it.
        """
        if until_taken:
            self._going_down[name] = time.monotonic()
        else:
            self._seen[name].append((time.monotonic(), False))
        self._watching.discard(name)

    def fetch(self, name: str) -> None:
        """Have what a machine has seen so far, and stop watching there."""
        if name not in self._watching:
            return
        self._watching.discard(name)
        text = self._machines.run(name, _STOP)
        ahead_s = self._offset_s[name] + time.time() - time.monotonic()
        for at, held in holder_timeline.changes(text, self._address):
            moment = at - ahead_s
            if abs(moment - time.monotonic()) > LONGEST_S + CLOCK_JUMP_S:
                continue  # told by a clock that was wrong just then
            self._seen[name].append((moment, held))

    def stop(self, t0: float) -> tuple[HolderSample, ...]:
        """The timeline, in seconds since `t0`."""
        gevent.joinall(
            [gevent.spawn(self.fetch, name) for name in tuple(self._watching)], raise_error=True
        )
        by_node = {
            name: sorted((at - t0, held) for at, held in self._seen[name])
            for name in self._machines.names
        }
        for name, at in self._going_down.items():
            taken = [
                moment
                for other, seen in by_node.items()
                for moment, held in seen
                if other != name and held and moment > at - t0
            ]
            by_node[name] = sorted([*by_node[name], (min(taken, default=at - t0), False)])
        for name in self._late:
            by_node[name] = _backdated(name, by_node)
        return holder_timeline.timeline(by_node)

    def abandon(self) -> None:
        """Stop watching, whatever was seen."""
        for name in tuple(self._watching):
            with contextlib.suppress(MachineError):
                self.fetch(name)


def _backdated(name: str, by_node: dict[str, list[tuple[float, bool]]]) -> list[tuple[float, bool]]:
    """A machine that booted had the address before it could be asked: since the others lost it."""
    own = by_node[name]
    first = next((at for at, held in own if held), None)
    off = max((at for at, held in own if not held and (first is None or at < first)), default=None)
    if first is None or off is None:
        return own
    given_up = [
        at
        for other, seen in by_node.items()
        if other != name
        for at, held in seen
        if not held and off < at < first
    ]
    return sorted([*own, (max(given_up), True)]) if given_up else own
