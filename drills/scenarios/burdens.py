"""Drills of clients that are a burden: they hold connections, or ask more than anybody does.

A machine that is busy is not a dead one: the address stays where it is, and whoever behaves well is
served as before.
"""

from __future__ import annotations

from drills.clients.flood_clients import FloodSpec
from drills.clients.slow_clients import SlowSpec
from drills.control.cluster_control import ClusterControl
from drills.control.processes.child_process import ChildProcess
from drills.records import Sight
from drills.scenarios import memory_use

# More than a person's pages ever have, and fewer than nginx has connections for (`many_clients`).
SLOW, SLOW_S = 1000, 8.0
# Ten times the prober's usual rate, which one processor can ask for.
FLOOD_RATE, FLOWS, FLOOD_S = 1500.0, 48, 6.0
OPEN_TIMEOUT_S = 60.0
FINISH_TIMEOUT_S = 60.0
# A server may close some, as nginx does with those that say too little for too long.
HELD = 0.9
ANSWERED = 0.5


class BurdenProcess(ChildProcess):
    """Such clients. They are at it when this returns; `word`: how they say that."""

    def __init__(self, module: str, spec: SlowSpec | FloodSpec, word: str):
        super().__init__("the clients", f"drills.clients.{module}", spec.to_json())
        self._wait_for(word, OPEN_TIMEOUT_S)


def slow_clients(control: ClusterControl) -> None:
    node = control.holder
    ask = memory_use.script(node)
    before = memory_use.parse(control.machines.run(node.name, ask))
    spec = SlowSpec(str(node.vip.ip), node.http_port, SLOW, SLOW_S, opening=node.opening)
    with control.burden("slow clients"):
        clients = control.started(BurdenProcess("slow_clients", spec, "slow"))
        control.mark(f"{SLOW} clients hold half a request each")
        control.wait(SLOW_S / 2)
        after = memory_use.parse(control.machines.run(node.name, ask))
        control.wait(SLOW_S / 2)
        clients.stop(FINISH_TIMEOUT_S)
    held = after.connections - before.connections
    closed = clients.said["closed"]
    said = f"it had {held} connections more of {SLOW} slow clients, and closed {closed}"
    control.sights.append(Sight(node.name, held >= HELD * SLOW, said))
    control.notes.append(f"{node.name} held {held} half requests")


def request_flood(control: ClusterControl) -> None:
    node = control.holder
    where = str(node.vip.ip), node.http_port
    spec = FloodSpec(*where, FLOOD_RATE, FLOWS, FLOOD_S, opening=node.opening)
    with control.burden("flood of requests"):
        clients = control.started(BurdenProcess("flood_clients", spec, "flows"))
        control.wait(FLOOD_S)
        clients.stop(FINISH_TIMEOUT_S)
    asked, answered = clients.said["asked"], clients.said["answered"]
    per_s = answered / FLOOD_S
    said = f"{answered} of {asked} requests were answered, {per_s:.0f} per second"
    bit = per_s >= ANSWERED * FLOOD_RATE
    control.sights.append(Sight(node.name, bit, said))
    control.notes.append(f"{node.name} answered {per_s:.0f} requests per second besides")
