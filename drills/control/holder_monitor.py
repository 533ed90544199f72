"""Records on every node of a cluster, during one repeat, when it takes and loses the address.

`ip monitor` runs on each node and stamps its lines with that machine's clock; here they become
moments of this machine's CLOCK_MONOTONIC. How exact they are: analysis/holder_timeline.py.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections import defaultdict
from collections.abc import Iterator

import gevent

from drills.analysis import holder_timeline
from drills.control import faults
from drills.control.machines import MachineError, Machines
from drills.control.self_undo import DIRECTORY
from drills.results import HolderSample
from settings import Node

# The monitors end after this time, should the controller die.
LONGEST_S = 1800
# A clock that was stepped meanwhile must not tear the timeline apart.
CLOCK_JUMP_S = 5.0
CATCH_UP_STEPS = 30
END = "monitor:"
_ENDED = re.compile(
    rf"^{END} alive=(?P<alive>\d) now=(?P<now>\d) last=(?P<last>\d) ?(?P<why>.*)", re.MULTILINE
)


def _start(interface: str) -> str:
    # Of all interfaces: one that is made again under its name is another one to `ip monitor dev`.
    watch = f"echo $$ >{DIRECTORY}/watch.pid; exec timeout {LONGEST_S} ip -ts -o monitor address"
    return (
        f"mkdir -p -m 700 {DIRECTORY}; "
        f"TZ=UTC setsid --fork sh -c '{watch}' "
        f">{DIRECTORY}/watch 2>{DIRECTORY}/watch.err </dev/null; "
        f"sleep 0.05; date +%s.%N; ip -o address show dev {interface}"
    )


def stop_script(node: Node, held: bool) -> str:
    """Ends a node's monitor and prints its lines. `held`: whether it had the address at the start.

    On a machine that is short of CPU the monitor may not yet have written what has happened: it
    gets up to 3 s until its last line is what `ip address` says, too. The last line that is printed
    says whether it does, and whether the monitor has lived until then: see `trouble`.
    """
    return (
        f"for try in $(seq {CATCH_UP_STEPS}); do {faults.holds(node)} && now=1 || now=0; "
        f"case $(grep -E ': {node.interface} +inet6? {node.vip.ip}/' {DIRECTORY}/watch | "
        "tail -n 1) in "
        f"'') last={int(held)};; *Deleted*) last=0;; *) last=1;; esac; "
        "[ $now = $last ] && break; sleep 0.1; done; "
        f"kill $(cat {DIRECTORY}/watch.pid) 2>/dev/null && alive=1 || alive=0; "
        f"cat {DIRECTORY}/watch; "
        f'echo "{END} alive=$alive now=$now last=$last" $(tail -n 1 {DIRECTORY}/watch.err)'
    )


def trouble(output: str) -> str:
    """Why a monitor's lines are no evidence, by what `stop_script` prints; "" when they are."""
    found = _ENDED.search(output)
    if found is None:
        return "it was not heard to its end"
    if found["alive"] == "0":
        return f"it ended before the repeat did{': ' if found['why'] else ''}{found['why']}"
    if found["now"] != found["last"]:
        return "what it recorded is not what the machine says itself"
    return ""


class HolderMonitor:
    """The monitors of one repeat.

    `same_clock`: the machines' clock is this machine's, as in the lab; otherwise the difference is
    measured at the start.
    """

    # What a monitor is one of, in words.
    what = "the address"

    def __init__(self, machines: Machines, same_clock: bool):
        self._machines = machines
        self._nodes = {node.name: node for node in machines.cluster.nodes}
        self._same_clock = same_clock
        self._address = machines.cluster.vip.ip
        # By node: (CLOCK_MONOTONIC here, whether it holds the address)
        self._records: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        self._offset_s: dict[str, float] = {}
        self._late: set[str] = set()
        self._going_down: dict[str, float] = {}
        # By node whose monitor runs: whether it held the address when that began.
        self._running: dict[str, bool] = {}
        # By node, why its monitor is no witness.
        self._troubles: dict[str, str] = {}

    def start(self, names: tuple[str, ...] | None = None, late: bool = False) -> None:
        """Start the monitors, on all nodes by default.

        `late`: the machine has just booted, and may have held the address for a while already.
        """
        chosen = self._machines.names if names is None else names
        gevent.joinall([gevent.spawn(self._start, name, late) for name in chosen], raise_error=True)

    def _start(self, name: str, late: bool) -> None:
        answer = self._machines.run(name, self._start_script(self._nodes[name]))
        arrived, wall = time.monotonic(), time.time()
        clock, _, listing = answer.partition("\n")
        # The answer left at once after the clock was read: half a millisecond on a LAN.
        self._offset_s[name] = 0.0 if self._same_clock else float(clock) - wall
        held = self._holds(listing)
        self._records[name].append((arrived, held))
        if late and held:
            self._late.add(name)
        self._running[name] = held

    def _start_script(self, node: Node) -> str:
        """Starts a node's monitor; prints the node's clock, then what `_holds` reads."""
        return _start(node.interface)

    def _stop_script(self, node: Node, held: bool) -> str:
        return stop_script(node, held)

    def _holds(self, listing: str) -> bool:
        return f" {self._address}/" in listing

    def _changes(self, text: str, node: Node) -> Iterator[tuple[float, bool]]:
        """When the node took the address and lost it, by what its monitor has printed."""
        return holder_timeline.changes(text, self._address, node.interface)

    def moment(self, name: str, at: float, here: float) -> float:
        """A machine's `date` as a moment of CLOCK_MONOTONIC; `here`, if its clock was stepped."""
        moment = at - self._offset_s.get(name, 0.0) - time.time() + time.monotonic()
        return moment if abs(moment - here) < CLOCK_JUMP_S else here

    def node_off(self, name: str, *, until_taken: bool = False) -> None:
        """A machine without power holds no address.

        Its monitor goes with it, and is to be fetched right before: later nobody knows whether it
        had lived until then.

        `until_taken`: it shuts down in order, and holds the address until another takes it.
        """
        if until_taken:
            self._going_down[name] = time.monotonic()
        else:
            self._records[name].append((time.monotonic(), False))
        if self._running.pop(name, None) is not None:
            self._troubles[name] = "it was not heard before its machine went down"

    def cut_off(self, name: str, cut: bool) -> None:
        """A machine that stands still, without its cable, holds no address until it goes on."""
        self._records[name].append((time.monotonic(), not cut))

    def fetch(self, *names: str) -> None:
        """Stop these machines' monitors, at once, and read what they have recorded.

        Raises `MachineError`.
        """
        gevent.joinall([gevent.spawn(self._fetch, name) for name in names], raise_error=True)

    def _fetch(self, name: str) -> None:
        held_before = self._running.pop(name, None)
        if held_before is None:
            return
        text = self._machines.run(name, self._stop_script(self._nodes[name], held_before))
        if reason := trouble(text):
            self._troubles[name] = reason
        ahead_s = self._offset_s[name] + time.time() - time.monotonic()
        for at, held in self._changes(text, self._nodes[name]):
            moment = at - ahead_s
            if abs(moment - time.monotonic()) > LONGEST_S + CLOCK_JUMP_S:
                continue  # stamped by a clock that was wrong just then
            self._records[name].append((moment, held))

    def stop(self, t0: float) -> tuple[HolderSample, ...]:
        """Stop all monitors; the timeline, in seconds since `t0`."""
        self.fetch(*self._running)
        by_node = {
            name: sorted((at - t0, held) for at, held in self._records[name])
            for name in self._machines.names
        }
        for name, at in self._going_down.items():
            taken = [
                moment
                for other, records in by_node.items()
                for moment, held in records
                if other != name and held and moment > at - t0
            ]
            by_node[name] = sorted([*by_node[name], (min(taken, default=at - t0), False)])
        for name in self._late:
            by_node[name] = _backdated(name, by_node)
        return holder_timeline.timeline(by_node)

    def void(self) -> str:
        """Why the timeline is no evidence, once all have stopped; "" when it is."""
        unheard = [
            name
            for name in self._machines.names
            if name not in self._offset_s or name in self._running
        ]
        troubles = self._troubles | dict.fromkeys(unheard, "it never ran, or was never stopped")
        return "; ".join(
            f"the monitor of {self.what} on {name}: {troubles[name]}" for name in sorted(troubles)
        )

    def abandon(self) -> None:
        """Stop all monitors, and forget what they recorded."""
        for name in tuple(self._running):
            with contextlib.suppress(MachineError):
                self._fetch(name)


def _backdated(name: str, by_node: dict[str, list[tuple[float, bool]]]) -> list[tuple[float, bool]]:
    """The records of a machine that held the address before it could be asked.

    It has held it since another node lost it while this one was off.
    """
    own = by_node[name]
    first = next((at for at, held in own if held), None)
    off = max((at for at, held in own if not held and (first is None or at < first)), default=None)
    if first is None or off is None:
        return own
    given_up = [
        at
        for other, records in by_node.items()
        if other != name
        for at, held in records
        if not held and off < at < first
    ]
    return sorted([*own, (max(given_up), True)]) if given_up else own
