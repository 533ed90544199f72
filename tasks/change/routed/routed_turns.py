"""The turn of a machine that is one of many with the VIP: it withdraws before anything of it is
restarted, and announces again before the next one's turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from weakref import WeakKeyDictionary, WeakSet

import gevent
from pyinfra import host
from pyinfra.api import Host
from pyinfra.context import ctx_host

import settings
from controller import lock, run_changes
from controller.batched_facts import change, rolling
from controller.run_changes import MachineChanges
from settings import Cluster, Node, Refused
from tasks import bird
from tasks.bird import withdrawal
from tasks.bird.withdrawal import Announced, AnnouncedFact
from tasks.change.routed import routed_status
from tasks.change.routed.routed_status import RoutedStatus
from tasks.change.turn_status import TurnStatusFact, turn_arguments
from tasks.keepalived import DRAIN_FILE
from tasks.machine import service_state
from tasks.nginx import service

# The watch sees a drain within a round.
WITHDRAWN_S = 10
# After its nginx has answered for `health_trial_s`.
ANNOUNCED_S = 20
# A machine that has just had its turn may still be on trial.
RECOVERS_S = 15

# What each machine has announced before its turn, as far as it has come, or is planned.
_before: WeakKeyDictionary[Host, Announced] = WeakKeyDictionary()
# Machines that withdraw an address which is not their cluster's any more.
_leaving: WeakSet[Host] = WeakSet()


def request(cluster: Cluster, names: list[str]) -> None:
    """Have the facts of this machine's turn asked at once; `names`: who has one in this run."""
    rolling.request(AnnouncedFact)
    run_changes.count_drains(cluster.name, partial(_drains, names))


def _drains(names: list[str], changes: Mapping[str, MachineChanges]) -> int:
    """How many machines are drained in their turns, where they are changed like that."""
    announcing = {each.name for each, found in _before.items() if found.heard}
    leaving = {each.name for each in _leaving}
    due = {name for name, its in changes.items() if _DRAINING.intersection(its.services)}
    return len(leaving & {*names} | announcing & due & {*names})


def note_leaving() -> None:
    """This machine withdraws what is not its cluster's any more."""
    _leaving.add(ctx_host.get())  # type: ignore[no-untyped-call]


_DRAINING = frozenset(("nginx: restart", "bird: restart", "bird: reload", "bird: start"))


@change("no drain was cut off", counts=False)
def end_cut_off(node: Node, cluster: Cluster) -> Iterator[str]:
    """End the drain of a run whose lock could not do that: another one's turn would wait for this
    machine."""
    if node.routed and rolling.get(TurnStatusFact, **turn_arguments(cluster)).drained:
        yield f"rm -f {lock.DRAIN}"
        back = withdrawal.wait_until_announced(node.name, ANNOUNCED_S)
        yield f"[ -e {DRAIN_FILE} ] || ( {back} ) || true"


def _due() -> str:
    """What is about to interrupt this machine, in words; "" for nothing."""
    found = []
    if service.will_restart():
        found.append("nginx has to be restarted")
    todo, reason = service_state.due_steps(bird.SERVICE)
    if reason and todo[-1] in ("start", "restart"):
        found.append(f"bird has to be {todo[-1]}ed")
    elif reason and todo[-1] == "reload":
        found.append("bird has to read another configuration, by which sessions may end")
    return " and ".join(found)


def release(node: Node, cluster: Cluster) -> Iterator[str]:
    """Withdraw the VIP if something has to be restarted.

    Raises `Refused` if no other machine serves, unless the run was told `interrupt=1`.
    """
    now = rolling.get(AnnouncedFact)
    _before.setdefault(ctx_host.get(), now)  # type: ignore[no-untyped-call]
    if not now.heard or not (what := _due()) or run_changes.is_planning():
        return
    others = _who_serves(node, cluster)
    if all(other.idle for other in others.values()):
        why = routed_status.told(others)
        if not settings.options(host.inventory).interrupt:
            raise Refused(
                f"On {node.name} {what}, and no other machine of {cluster.name} serves meanwhile "
                f"({why}). Mend that first, or accept the interruption with --data interrupt=1. "
                f"{node.name} serves as before."
            )
        host.log(f"{what}, although no other machine serves meanwhile ({why})")
        return
    host.log(f"drained, because {what}")
    yield from drain(node)


def _who_serves(node: Node, cluster: Cluster) -> dict[str, RoutedStatus]:
    """How the others are; if none serves, after a while in which one may recover."""
    names = [peer.name for peer in cluster.peers(node)]
    deadline = time.monotonic() + RECOVERS_S
    while True:
        others = routed_status.of_others(host, names)
        # A person's drain does not end by itself.
        passes = any(
            it.trouble != routed_status.NOT_IN_RUN and not it.drained for it in others.values()
        )
        serves = any(not status.idle for status in others.values())
        if serves or not passes or time.monotonic() > deadline:
            return others
        gevent.sleep(1)


def leave(node: Node, cluster: Cluster, *, others: bool) -> Iterator[str]:
    """Withdraw the VIP for good, if another machine serves.

    + others: whether one does that is not part of this run.
    """
    if not host.get_fact(AnnouncedFact).heard:
        return
    names = [peer.name for peer in cluster.peers(node)]
    found = routed_status.of_others(host, names)
    if others or any(not status.idle for status in found.values()):
        yield from drain(node)


def drain(node: Node) -> Iterator[str]:
    """Begin a deploy's drain and wait until the VIP is withdrawn; if it stays, end it and fail."""
    yield lock.drain()
    left = withdrawal.wait_until_withdrawn(node.name, WITHDRAWN_S)
    yield f"( {left} ) || {{ rm -f {lock.DRAIN}; exit 1; }}"


def take_back(node: Node, *, drained: bool) -> Iterator[str]:
    """End this deploy's drain, or one that was cut off, and wait until the VIP is announced again.

    A machine that served before its turn has to serve after it, or the next one's must not begin.
    Of one that has just begun routers may not know yet.
    """
    if drained:
        yield f"rm -f {lock.DRAIN}"
    this = ctx_host.get()  # type: ignore[no-untyped-call]
    before = _before.get(this, Announced())
    begun = any(line.startswith("bird: ") for line in run_changes.of(this).services)
    if run_changes.is_planning() or not (drained or begun):
        return
    sessions = max(1, min(len(before.sessions), len(node.routers)))
    back = f"( {withdrawal.wait_until_announced(node.name, ANNOUNCED_S, sessions)} )"
    # A person's drain may keep it away.
    yield f"[ -e {DRAIN_FILE} ] || {back}" + ("" if before.serves else " || true")
