"""Drills of many clients at once, which break nothing: that one node is enough for them."""

from __future__ import annotations

from drills.analysis.fault_evidence import shown
from drills.clients.idle_clients import IdleSpec
from drills.control import faults
from drills.control.cluster_control import ClusterControl
from drills.control.processes.child_process import ChildProcess
from drills.records import Sight
from drills.scenarios import memory_use
from drills.scenarios.scenario import Drill

# Old workers are known by their process numbers: right after a reload their titles do not yet say
# "shutting down".
NEW_WORKERS = (
    f"old=$(pgrep {faults.OURS} -d , -f '^nginx: worker process'); "
    f"{faults.SERVICE} reload nginx && for try in $(seq 100); do "
    'ps -p "$old" >/dev/null || exit 0; sleep 0.1; done'
)
OPEN_TIMEOUT_S = 60.0
FINISH_TIMEOUT_S = 60.0
# nginx begins to close idle connections when a worker has only this part of its own left.
SPARE = 1 / 16
# Workers do not get the same number each: the fullest has up to so much more than its share.
UNEVEN = 1.25


class IdleClientsProcess(ChildProcess):
    """The idle clients. All of them are silent when this returns."""

    def __init__(self, spec: IdleSpec):
        super().__init__("the idle clients", "drills.clients.idle_clients", spec.to_json())
        self._wait_for("idle", OPEN_TIMEOUT_S)


def idle_connections(control: ClusterControl) -> None:
    node, wanted, hold_s = control.holder, control.options.idle, control.options.hold
    # Workers that have served many connections keep that memory: only new ones show what one costs.
    control.shell("reload, for new workers", node, NEW_WORKERS)
    ask = memory_use.script(node)
    before = memory_use.parse(control.machines.run(node.name, ask))
    spec = IdleSpec(str(node.vip.ip), node.http_port, wanted, hold_s, opening=node.opening)
    clients = control.started(IdleClientsProcess(spec))
    said = clients.said
    control.mark(f"{said['idle']} connections are idle")
    control.expect(said["idle"] == wanted, f"{said['idle']} of {wanted} connections were answered")
    control.wait(hold_s / 2)
    after = memory_use.parse(control.machines.run(node.name, ask))
    control.wait(hold_s / 2)
    clients.stop(FINISH_TIMEOUT_S)
    control.mark(f"{said['answered']} of them have answered again")
    held = after.connections - before.connections
    control.sights.append(
        Sight(node.name, held >= 0.99 * wanted, f"it had {held} connections more")
    )
    control.expect(held >= 0.99 * wanted, f"{node.name} had {held} connections more, not {wanted}")
    control.expect(
        said["answered"] == wanted,
        f"{wanted - said['answered']} of {wanted} were lost, {said['closed']} closed by the "
        "server: worker_connections is too low, or keepalive_timeout_s",
    )
    control.notes.append(
        f"{node.name} held {wanted} for {hold_s:g} s (opened in {said['seconds']:.1f} s); "
        + memory_use.per_connection(before, after, wanted, lab=node.lab)
    )


def too_many(control: ClusterControl) -> str:
    """Why a node cannot hold them, and what would be right; "" when it can."""
    node = control.holder
    if reason := no_room(control, control.options.idle, "idle connections"):
        return reason
    if node.keepalive_timeout_s < control.options.hold + 5:
        return (
            f"they are held for {control.options.hold:g} s and nginx closes them after "
            f"{node.keepalive_timeout_s}: give hold= or keepalive_timeout_s"
        )
    return ""


def no_room(control: ClusterControl, connections: int, what: str) -> str:
    """Why a node has not so many connections, and what would be right; "" when it has."""
    node = control.holder
    count = "pgrep -c -P $(cat /run/nginx/nginx.pid) -f '^nginx: worker process$'"
    workers = int(control.machines.run(node.name, count))
    least = int(connections * (UNEVEN if workers > 1 else 1) / (1 - SPARE) / workers) + 100
    if node.worker_connections < least:
        return (
            f"{connections} {what} need worker_connections = {least} here "
            f"({workers} workers), and it is {node.worker_connections}: give it to deploy.py and "
            "drill.py"
        )
    return ""


MANY_CLIENTS: tuple[Drill, ...] = (
    Drill(
        "idle-connections",
        "idle connections",
        "nothing: 10000 (idle=) clients keep their connections and say nothing for 60 s (hold=)",
        steps=idle_connections,
        evidence=shown(),
        times=0.2,
        needs="room",
        about_s=75,
    ),
)
