"""What another profile, or another VIP, has left on a machine: given up at the beginning of its
turn, before what the inventory has now is put into service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from pyinfra.api import FactBase

from controller import lock, run_changes
from controller.batched_facts import change, rolling
from settings import Cluster, Node
from tasks import bird, keepalived
from tasks.bird.bird_configuration import HOME, PROGRAM
from tasks.change.routed import routed_turns
from tasks.handover import second_chance
from tasks.keepalived.configuration import PROGRAM as APPLY_KEEPALIVED
from tasks.machine import service_state
from tasks.machine.footprint import PlacedPaths
from tasks.machine.quoting import quoted

# A person's drain is the same in both profiles, and stays.
_OF_VRRP = replace(
    keepalived.FOOTPRINT,
    files=tuple(path for path in keepalived.FOOTPRINT.files if path != keepalived.DRAIN_FILE),
    trees=(*keepalived.FOOTPRINT.trees, keepalived.SERVICE.staged.rpartition("/")[0]),
)
_OF_BGP = replace(
    bird.FOOTPRINT,
    # (keepalived's own file has clients' limits then.)
    files=(*bird.FOOTPRINT.files, second_chance.CLIENTS),
    trees=(*bird.FOOTPRINT.trees, HOME),
    directories=(),
)
_RUNS = f"{service_state.MANAGER} is-active -q"


class FormerSpread(NamedTuple):
    """What there is of either profile.

    + announced: the addresses that a BIRD of ours announces, or would if it served.
    + of_bgp, of_vrrp: paths of what a deploy has placed for it; none where it has placed nothing.
    """

    announced: frozenset[str] = frozenset()
    of_bgp: tuple[str, ...] = ()
    of_vrrp: tuple[str, ...] = ()


class FormerSpreadFact(FactBase[FormerSpread]):
    """The `FormerSpread`, in one round trip."""

    default = FormerSpread

    def command(self) -> str:
        placed = PlacedPaths()
        routes = r"s/^ *route \([0-9a-f.:]*\).* blackhole;.*/announced \1/p"
        return (
            f"if [ -e {PROGRAM} ]; then "
            f"if {_RUNS} bird; then sed -n '{routes}' {bird.SERVICE.configuration}; fi; "
            f"( {placed.command(_OF_BGP)} ) | sed 's/^/bgp /'; fi; "
            f"if [ -e {APPLY_KEEPALIVED} ]; then "
            f"( {placed.command(_OF_VRRP)} ) | sed 's/^/vrrp /'; fi; true"
        )

    def process(self, output: list[str]) -> FormerSpread:
        found: dict[str, dict[str, None]] = {"announced": {}, "bgp": {}, "vrrp": {}}
        for line in output:
            word, _, what = line.partition(" ")
            if word in found:
                found[word][what] = None
        return FormerSpread(
            frozenset(found["announced"]), tuple(found["bgp"]), tuple(found["vrrp"])
        )


def request() -> None:
    """Have what is asked here asked together with what else a machine's turn needs."""
    rolling.request(FormerSpreadFact)


# (That it is drained is told by itself: `routed_turns`.)
@change("it announces nothing that the inventory has no more", counts=False)
def give_up(node: Node, cluster: Cluster) -> Iterator[str]:
    """Withdraw an address that is not the cluster's any more, as in a drain, before it is gone."""
    wanted = {str(vip.ip) for vip in cluster.addresses} if node.routed else set[str]()
    if rolling.get(FormerSpreadFact).announced <= wanted:
        return
    routed_turns.note_leaving()
    if not run_changes.is_planning():
        yield from routed_turns.drain(node)


@change("nothing of another profile is there")
def forget(node: Node) -> Iterator[str]:
    """Stop what says where the VIP is in the other profile, and remove its files: there are
    passwords in them. Its package stays, as long as Tandem does."""
    found = rolling.get(FormerSpreadFact)
    service, paths = (
        (keepalived.SERVICE, found.of_vrrp) if node.routed else (bird.SERVICE, found.of_bgp)
    )
    if not paths:
        return
    run_changes.note_service(service.name, "stop", "it belongs to another profile")
    yield f"{service_state.MANAGER} disable --now {service.name}"
    if not node.routed:
        yield f"rm -f {lock.DRAIN}"  # of `give_up`; keepalived is not drained
    yield f"{quoted('rm', '-rf', '--', *paths)} && {service_state.MANAGER} daemon-reload"
    # After their file: the hand-over loads again what is flushed.
    for table in keepalived.FOOTPRINT.tables if node.routed else ():
        yield (
            "nft list tables 2>/dev/null | while read -r _ family name; do "
            f'[ "$name" != {table} ] || nft delete table "$family" "$name"; done'
        )
