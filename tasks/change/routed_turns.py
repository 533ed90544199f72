"""The turn of a machine that is one of many with the VIP: it withdraws before anything of it is
restarted, and announces again."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host

import settings
from controller import lock, run_changes
from controller.batched_facts import rolling
from settings import Cluster, Node, Refused
from tasks import bird, keepalived
from tasks.bird import withdrawal
from tasks.bird.withdrawal import Announced, AnnouncedFact
from tasks.machine import service_state
from tasks.nginx import service

# The watch sees a drain within a round, and withdraws a second later.
WITHDRAWN_S = 10
# After its nginx has answered for `health_trial_s`.
ANNOUNCED_S = 20


def request() -> None:
    """Have the facts of this machine's turn asked at once."""
    rolling.request(AnnouncedFact)
    rolling.request(service_state.ServiceStateFact, service=keepalived.SERVICE)


def release(node: Node, cluster: Cluster) -> Iterator[str]:
    """Withdraw the VIP if something has to be restarted.

    Raises `Refused` if no other machine serves, unless the run was told `interrupt=1`.
    """
    now = rolling.get(AnnouncedFact)
    restarted = {
        "nginx": service.will_restart(),
        "bird": service_state.will_restart(bird.SERVICE),
    }
    what = " and ".join(name for name, due in restarted.items() if due)
    if not now.protocols or not what or run_changes.is_planning():
        return
    if not any(_announced(peer).serves for peer in cluster.peers(node)):
        if not settings.options(host.inventory).interrupt:
            raise Refused(
                f"{what} has to be restarted on {node.name}, and no other machine of "
                f"{cluster.name} that is part of this run announces the VIP meanwhile. Mend that "
                f"first, or accept the interruption with --data interrupt=1. {node.name} serves as "
                "before."
            )
        host.log(f"{what} restarts although no other machine serves meanwhile")
        return
    host.log(f"the VIP is withdrawn here, because {what} has to be restarted")
    yield from drain(node)


def leave(node: Node, cluster: Cluster, *, others: bool) -> Iterator[str]:
    """Withdraw the VIP for good, if another machine serves.

    + others: whether one does that is not part of this run.
    """
    if not host.get_fact(AnnouncedFact).protocols:
        return
    if others or any(_announced(peer).serves for peer in cluster.peers(node)):
        yield from drain(node)


def drain(node: Node) -> Iterator[str]:
    """Begin a deploy's drain and wait until the VIP is withdrawn; if it stays, end it and fail."""
    yield lock.drain()
    left = withdrawal.wait_until_withdrawn(node.name, WITHDRAWN_S)
    # Behind all others for a second before it is withdrawn: nothing new comes by then.
    yield f"( {left} ) && sleep 1.5 || {{ rm -f {lock.DRAIN}; exit 1; }}"


def take_back(node: Node) -> Iterator[str]:
    """End this deploy's drain, or one that was cut off, and wait until the VIP is announced."""
    yield f"rm -f {lock.DRAIN}"
    yield wait_unless_drained(node)


def wait_unless_drained(node: Node) -> str:
    # A person's drain may keep it away, and routers that are not there yet are no failure.
    back = withdrawal.wait_until_announced(node.name, ANNOUNCED_S)
    return f"[ -e {keepalived.DRAIN_FILE} ] || ( {back} ) 2>/dev/null || true"


def _announced(peer: Node) -> Announced:
    """What another machine announces now; nothing where it is not part of this run."""
    other = host.inventory.get_host(peer.name)
    return other.get_fact(AnnouncedFact) if other in host.state.active_hosts else Announced()
