"""A machine's turn: it releases the VIP before anything of it is restarted, and may have it back.

Machines have their turns one after the other, since whoever holds the VIP serves meanwhile. Where
nobody has ever served there is nothing to keep up: then all of a cluster have theirs at once.
(Where all machines have the VIP: routed/routed_turns.py.)

The drain is a deploy's own (/run/tandem/drain), beside the person's (/etc/keepalived/down), so that
neither ends the other's. Where a turn is cut off it ends with the run's lock, and if that cannot be
(the process that holds it was killed) the next deploy ends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import gevent
from pyinfra import host
from pyinfra.api import Host
from pyinfra.context import ctx_host

import settings
from controller import lock, run_changes
from controller.batched_facts import change, rolling
from controller.run_changes import MachineChanges
from settings import Cluster, Node, Refused
from tasks import keepalived
from tasks.change import turn_moves
from tasks.change.routed import former_spread, routed_turns
from tasks.change.turn_status import TurnStatus, TurnStatusFact, turn_arguments
from tasks.change.vip_move import NodeStatusFact, status_arguments
from tasks.change.vip_move_plan import NodeStatus
from tasks.keepalived import vips
from tasks.machine import service_state
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import SurveyedMachine
from tasks.nginx import service
from tasks.nginx.foreseen import DueActionFact

# The slowest profile needs 2 s to notice, and then 3.6 s.
LEAVES_S = 20
RETURNS_S = 10
# A machine that has just booted is trusted when its nginx has answered for some seconds.
RECOVERS_S = 15
NOT_IN_RUN = "it is not part of this run"
ALL_AT_ONCE = "every machine"


# How each machine was before its turn, as far as it has come, or is planned.
_seen: WeakKeyDictionary[Host, TurnStatus] = WeakKeyDictionary()


def _moves(cluster: Cluster, names: list[str], changes: Mapping[str, MachineChanges]) -> int:
    """How often the VIPs of `cluster` move where machines, by name, are changed like that."""
    known = {each.name: status for each, status in _seen.items()}
    seen = {name: known[name] for name in names if name in known}
    services = {name: changes[name].services for name in seen if name in changes}
    return turn_moves.count(
        cluster,
        {name: status.holds for name, status in seen.items()},
        [name for name, status in seen.items() if status.away],
        [name for name, lines in services.items() if _INTERRUPTING.intersection(lines)],
        [
            name
            for name, lines in services.items()
            if any(line.startswith("keepalived: ") for line in lines)
        ],
        {name: status.ranks for name, status in seen.items()},
        frozenset[str]().union(*(status.unheard for status in seen.values())),
    )


_INTERRUPTING = frozenset(("nginx: restart", "keepalived: restart"))


def order(cluster: Cluster, machines: Mapping[str, SurveyedMachine]) -> list[Node]:
    """Whose turn comes when: standbys first, since a holder that waits for them serves meanwhile.

    A node that another one does not send adverts to yet comes last: hearing nobody, it would take
    the VIP as well.
    """
    unheard = {
        node.name
        for node in cluster.nodes
        for name, machine in machines.items()
        if name != node.name and name in {peer.name for peer in cluster.nodes}
        if machine.peers and not cluster.speaks_from(node) <= machine.peers
    }
    # Where the VIP stays with whoever has it, that is not the one that is preferred.
    holders = {
        node.name
        for node in cluster.nodes
        if cluster.stays and node.name in machines
        if cluster.vip.ip in machines[node.name].reachable
    }
    return sorted(
        reversed(cluster.nodes), key=lambda node: (node.name in unheard, node.name in holders)
    )


def groups(cluster: Cluster, machines: Mapping[str, SurveyedMachine]) -> list[list[Node]]:
    """Nodes in the `order` of their turns; those of one group have it at the same time."""
    nodes = order(cluster, machines)
    # Of a machine that is not part of this run nobody knows.
    serve = any(node.name not in machines or machines[node.name].serves for node in nodes)
    return [[node] for node in nodes] if serve else [nodes]


class TurnWords(NamedTuple):
    """What the two ends of a turn are called."""

    leaves: str
    returns: str


def words(node: Node) -> TurnWords:
    """For a node's profile."""
    if node.routed:
        return TurnWords("is drained before it is restarted", "announces the VIP")
    return TurnWords("gives the VIP away before it is restarted", "may hold the VIP again")


def one_by_one(nodes: Iterable[Node]) -> Iterator[Callable[[str], dict[str, Any]]]:
    """`of_each` node alone."""
    return of_each([node] for node in nodes)


def of_each(groups: Iterable[list[Node]]) -> Iterator[Callable[[str], dict[str, Any]]]:
    """For each group, what the operations of its turn are given: a name, and to act there alone."""
    for group in host.loop(groups):  # type: ignore[no-untyped-call]
        names = {node.name for node in group}
        whose = ALL_AT_ONCE if len(names) > 1 else next(iter(names))

        def its(what: str, names: Collection[str] = names, whose: str = whose) -> dict[str, Any]:
            return {"name": f"{whose}: {what}", "_if": lambda: host.name in names}

        yield its


def ask_ahead(
    node: Node, cluster: Cluster, *services: ManagedService, groups: list[list[Node]]
) -> None:
    """Have the facts of this machine's turn asked at once, and of the whole cluster.

    + groups: who has a turn when; where all have it at the same time, each asks for itself.
    """
    if len(groups[0]) == 1:
        rolling.fetch_with(each.name for each in cluster.nodes)
    rolling.request(TurnStatusFact, **turn_arguments(cluster))
    rolling.request(DueActionFact)
    for each in services:
        rolling.request(service_state.ServiceStateFact, service=each)
    former_spread.request()
    names = [each.name for group in groups for each in group]
    if node.routed:
        routed_turns.request(cluster, names)  # whatever happens, no VIP moves
        return
    run_changes.count_moves(cluster.name, partial(_moves, cluster, names))


# (That it moves is told by itself: `_moves`.)
@change(
    "it keeps what it has: it holds no VIP, nothing is restarted, or nobody could take it",
    counts=False,
)
def release_vip(node: Node, cluster: Cluster) -> Iterator[str]:
    """Give the VIP to another machine if this one holds it and something has to be restarted.

    Raises `Refused` if no other machine could take it, unless the run was told `interrupt=1`.
    """
    if node.routed:
        yield from routed_turns.release(node, cluster)
        return
    now = rolling.get(TurnStatusFact, **turn_arguments(cluster))
    if run_changes.is_planning():
        now = now._replace(will_speak=vips.speech(node, cluster))
    _seen[ctx_host.get()] = now  # type: ignore[no-untyped-call]
    if not now.holds:
        return
    restarted = {
        "nginx": service.will_restart(),
        "keepalived": service_state.will_restart(keepalived.SERVICE),
    }
    what = " and ".join(name for name, due in restarted.items() if due)
    if not what:
        return
    if run_changes.is_planning():
        others = {name: NodeStatus(trouble=NOT_IN_RUN) for name in _left_out(node, cluster)}
        if len(others) < len(cluster.peers(node)):
            return  # how the others will be by then nobody knows: they have their turns before
    else:
        others = _who_could_take_it(node, cluster)
    if now.holds & now.unheard or any(now.holds & other.holds for other in others.values()):
        # Those whose turn was before do not hear this one, and have taken the VIP already.
        host.log("another machine takes the VIP without being asked: VRRP changes")
        return
    if all(other.trouble for other in others.values()):
        trouble = "; ".join(f"{name}: {other.trouble}" for name, other in others.items())
        if not settings.options(host.inventory).interrupt:
            raise Refused(
                f"{what} has to be restarted on {node.name}, and no other machine could take the "
                f"VIP meanwhile ({trouble}). Mend that first, or accept the interruption with "
                f"--data interrupt=1. {node.name} serves as before."
            )
        host.log(f"{what} restarts although no other machine could serve meanwhile")
        return
    host.log(f"the VIP goes to another machine, because {what} has to be restarted")
    yield from drain(node, cluster)


def drain(node: Node, cluster: Cluster) -> Iterator[str]:
    """Begin a deploy's drain and wait until the VIPs have left; if they stay, end it and fail."""
    if node.routed:
        yield from routed_turns.drain(node)
        return
    yield lock.drain()
    left = vips.wait_for(node, gone=vips.of(cluster), seconds=LEAVES_S)
    yield f"{keepalived.TELL_DRAIN}; ( {left} ) || {{ rm -f {lock.DRAIN}; exit 1; }}"


def _who_could_take_it(node: Node, cluster: Cluster) -> dict[str, NodeStatus]:
    """How the others are; if none could take the VIP, after a while in which one may recover."""
    deadline = time.monotonic() + RECOVERS_S
    while True:
        others = {peer.name: _status_of(peer) for peer in cluster.peers(node)}
        passes = any(other.trouble not in ("", NOT_IN_RUN) for other in others.values())
        able = any(not other.trouble for other in others.values())
        if able or not passes or time.monotonic() > deadline:
            return others
        gevent.sleep(1)


def _left_out(node: Node, cluster: Cluster) -> list[str]:
    """The other nodes that this run does not reach."""
    active = {other.name for other in host.state.active_hosts}
    return [peer.name for peer in cluster.peers(node) if peer.name not in active]


def _status_of(peer: Node) -> NodeStatus:
    """How another machine is now."""
    other = host.inventory.get_host(peer.name)
    if other not in host.state.active_hosts:
        return NodeStatus(trouble=NOT_IN_RUN)
    return other.get_fact(NodeStatusFact, **status_arguments(other))


@change("it is not drained by a deploy", counts=False)
def take_vip_back(node: Node, cluster: Cluster) -> Iterator[str]:
    """End this deploy's drain, or one that was cut off; a preferred node waits for its VIP."""
    drained = rolling.get(TurnStatusFact, **turn_arguments(cluster)).drained
    if node.routed:
        yield from routed_turns.take_back(node, drained=drained)
        return
    if not drained:
        return
    yield f"rm -f {lock.DRAIN}"
    if own := _preferring(node, cluster):
        yield _wait_unless_drained(node, own)


@change("it holds what it is to hold", counts=False)
def wait_for_first_vip(node: Node, cluster: Cluster) -> Iterator[str]:
    """Have a preferred node wait for its VIP, which nobody has held before."""
    own = _preferring(node, cluster)
    if not rolling.get(TurnStatusFact, **turn_arguments(cluster)).holds.issuperset(own):
        yield _wait_unless_drained(node, own)


def _preferring(node: Node, cluster: Cluster) -> list[str]:
    """The VIPs that prefer `node`, and come back to it."""
    if cluster.stays:
        return []
    return [str(vrrp.vip.ip) for vrrp in cluster.vips if vrrp.preferred.name == node.name]


def _wait_unless_drained(node: Node, own: list[str]) -> str:
    # A person's drain may keep them away, and that is no failure.
    back = vips.wait_for(node, there=own, seconds=RETURNS_S)
    return f"[ -e {keepalived.DRAIN_FILE} ] || ( {back} ) 2>/dev/null || true"
