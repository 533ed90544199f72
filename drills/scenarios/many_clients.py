"""Drills of many clients at once, which break nothing: that one node is enough for them."""

from __future__ import annotations

from typing import Any

from drills.analysis import expected_outage
from drills.clients.idle_clients import Spec
from drills.control import faults, memory
from drills.control.child_process import Child
from drills.control.cluster_control import Stage
from drills.results import Budget
from drills.scenarios.scenario import Drill

# By their numbers: for a moment after a reload they are not yet called "shutting down".
NEW_WORKERS = (
    "old=$(pgrep -d , -f '^nginx: worker process'); "
    f"{faults.SERVICE} reload nginx && for try in $(seq 100); do "
    'ps -p "$old" >/dev/null || exit 0; sleep 0.1; done'
)
OPEN_TIMEOUT_S = 60.0
FINISH_TIMEOUT_S = 60.0
# nginx begins to close idle connections when a worker has only this part of its own left.
SPARE = 1 / 16
# Workers do not get the same number each: the fullest has up to so much more than its share.
UNEVEN = 1.25


class Idle(Child):
    """The clients. All of them are silent when this returns."""

    def __init__(self, spec: Spec):
        self.silent = self.answered = self.closed = 0
        self.opened_s = 0.0
        self._ready = False
        super().__init__("the idle clients", "drills.clients.idle_clients", spec.to_json())
        self._until(lambda: self._ready, OPEN_TIMEOUT_S)

    def _take(self, said: Any) -> None:
        if "idle" in said:
            self.silent, self.opened_s, self._ready = said["idle"], said["seconds"], True
        elif "done" in said:
            self.answered, self.closed = said["answered"], said["closed"]


def idle_connections(stage: Stage) -> None:
    node, wanted, hold_s = stage.holder, stage.idle, stage.hold_s
    # Workers that have served many keep the memory of it: only new ones tell what a client costs.
    stage.shell("reload, for new workers", node, NEW_WORKERS)
    ask = memory.script(node)
    before = memory.parse(stage.machines.run(node.name, ask))
    stage.crowd = crowd = Idle(Spec(str(node.vip.ip), node.http_port, wanted, hold_s))
    stage.mark(f"{crowd.silent} connections are idle")
    stage.expect(crowd.silent == wanted, f"{crowd.silent} of {wanted} connections were answered")
    stage.wait(hold_s / 2)
    after = memory.parse(stage.machines.run(node.name, ask))
    stage.wait(hold_s / 2)
    crowd.stop(FINISH_TIMEOUT_S)
    stage.mark(f"{crowd.answered} of them have answered again")
    held = after.connections - before.connections
    stage.expect(held >= 0.99 * wanted, f"{node.name} had {held} connections more, not {wanted}")
    stage.expect(
        crowd.answered == wanted,
        f"{wanted - crowd.answered} of {wanted} were lost, {crowd.closed} closed by the server: "
        "worker_connections is too low, or keepalive_timeout_s",
    )
    stage.notes.append(
        f"{node.name} held {wanted} for {hold_s:g} s (opened in {crowd.opened_s:.1f} s); "
        + memory.per_connection(before, after, wanted, lab=node.lab)
    )


def too_many(stage: Stage) -> str:
    """Why a node cannot hold them, and what would be right; "" when it can."""
    node = stage.holder
    count = "pgrep -c -P $(cat /run/nginx/nginx.pid) -f '^nginx: worker process$'"
    workers = int(stage.machines.run(node.name, count))
    least = int(stage.idle * (UNEVEN if workers > 1 else 1) / (1 - SPARE) / workers) + 100
    if node.worker_connections < least:
        return (
            f"{stage.idle} idle connections need worker_connections = {least} here ({workers} "
            f"workers), and it is {node.worker_connections}: give it to deploy.py and drill.py"
        )
    if node.keepalive_timeout_s < stage.hold_s + 5:
        return (
            f"they are held for {stage.hold_s:g} s and nginx closes them after "
            f"{node.keepalive_timeout_s}: give hold= or keepalive_timeout_s"
        )
    return ""


CROWDS: tuple[Drill, ...] = (
    Drill(
        "idle-connections",
        "idle connections",
        "nothing: 10000 (idle=) clients keep their connections and say nothing for 60 s (hold=)",
        idle_connections,
        expected_outage.nothing,
        Budget(lost=0, moves=0),
        times=0.2,
        needs="room",
        about_s=75,
    ),
)
