"""Steps of a teardown that belong to no single concern: VIP, tables of nftables, systemd's memory.

removal_plan.py decides the order of machines. Each concern stops its own services, and names its
files, units and tables in a footprint.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host as this_host

from controller import run_changes
from controller.batched_facts import LinesFact, change, parallel, rolling
from settings import Cluster, Node
from tasks import bird, handover, keepalived, machine, metrics, nginx, sysv, watch
from tasks.change import turns
from tasks.change.removal_plan import Leaving
from tasks.change.routed import routed_turns
from tasks.change.vip_move import NodeStatusFact, status_arguments
from tasks.keepalived import vips
from tasks.machine import (
    account,
    firewall,
    limits,
    one_file,
    packages,
    replaced,
    selinux,
    service_state,
    units,
)
from tasks.machine.footprint import IS_DEPLOYED, Footprint, LeftPaths, PlacedPaths, remove_left
from tasks.machine.survey import SurveyedMachine
from tasks.sysv.supervision import RespawnedByInit


def footprints(node: Node) -> tuple[Footprint, ...]:
    """What each concern leaves on this node's machine, in the order of their removal.

    The machine's own come last, since they hold what the others share; the record of all this is
    apart, since even packages go before it.
    """
    return (
        keepalived.FOOTPRINT,
        bird.FOOTPRINT,
        handover.FOOTPRINT,
        watch.FOOTPRINT,
        nginx.footprint(node),
        metrics.FOOTPRINT,
        sysv.FOOTPRINT,
        machine.FOOTPRINT,
    )


def remove_left_overs(node: Node) -> None:
    """Remove what runs that were cut off have left on this machine."""
    every = (*footprints(node), machine.RECORD)
    parallel.request(LeftPaths, footprints=every)
    remove_left(name="What runs that were cut off have left is removed", footprints=every)


def ask_ahead(node: Node, cluster: Cluster, surveyed: SurveyedMachine) -> None:
    """Have the facts of this machine's turn asked at once."""
    spoken = bird.SERVICE if node.routed else keepalived.SERVICE
    for service in (spoken, nginx.SERVICE):
        rolling.request(service_state.RunsOrWould, service=service)
    rolling.request(vips.LeftVips, **vips.left_arguments(node, cluster))
    rolling.request(Tables, names=_named("tables", node))
    rolling.request(limits.ChangedSysctls)
    rolling.request(RememberedUnits, names=_named("units", node))
    for footprint in (*footprints(node), machine.RECORD):
        rolling.request(PlacedPaths, footprint=footprint)
    rolling.request(account.RecordedAccount)
    rolling.request(replaced.KeptFiles)
    if surveyed.family:
        rolling.request(packages.RecordedPackages, family=surveyed.family)
    rolling.request(firewall.OpenedEntries)
    if surveyed.selinux:
        rolling.request(selinux.LabelsFact)
    if not surveyed.systemd:
        rolling.request(RespawnedByInit)
    one_file.ask_ahead(metrics.TABLE)
    for service in (watch.SERVICE, handover.SERVICE):
        one_file.ask_ahead(units.path(service.name, surveyed))


# (That it moves is told by itself: `Leaving.moves`.)
@change(
    "it does not hold the VIP, or no other machine could take it: it goes away here", counts=False
)
def release_vip(node: Node, leaving: Leaving) -> Iterator[str]:
    """Give the VIP to another machine, if this one holds it and another can take it."""
    if run_changes.is_planning() or not leaving.found[node.name].deployed:
        return
    if node.routed:
        yield from routed_turns.leave(node, leaving.cluster, others=bool(leaving.serving))
        return
    if not this_host.get_fact(NodeStatusFact, **status_arguments(this_host)).holds:
        return
    able = [peer.name for peer in leaving.serving]
    for peer in leaving.order:
        other = this_host.inventory.get_host(peer.name)
        if peer.name != node.name and other in this_host.state.active_hosts:
            status = other.get_fact(NodeStatusFact, **status_arguments(other))
            able += [] if status.trouble or status.drained else [peer.name]
    if able:
        yield from turns.drain(node, leaving.cluster)


def _named(kind: str, node: Node) -> tuple[str, ...]:
    """The "tables", or the "units", of all concerns."""
    return tuple(name for footprint in footprints(node) for name in getattr(footprint, kind))


class Tables(LinesFact):
    """The tables of nftables with one of `names`, "FAMILY NAME" each."""

    def command(self, names: tuple[str, ...]) -> str:
        return (
            "nft list tables 2>/dev/null | while read -r _ family name; do case $name in "
            f'{" | ".join(names)}) echo "$family $name" ;; esac; done; true'
        )


@change("there are no tables of ours")
def delete_tables(node: Node) -> Iterator[str]:
    """Delete our tables of nftables; nobody else's rules are touched."""
    for table in rolling.get(Tables, names=_named("tables", node)):
        yield f"nft delete table {table}"


class RememberedUnits(LinesFact):
    """Which of our units systemd still knows although their files are gone.

    keepalived's and BIRD's, which are packages', count while what a deploy has added to them is
    remembered.
    """

    def command(self, names: tuple[str, ...]) -> str:
        return (
            f"if {IS_DEPLOYED} && [ -d /run/systemd/system ]; then "
            f"for unit in {' '.join(names)}; do "
            "[ -e /etc/systemd/system/$unit.service ] || "
            '[ -z "$(systemctl list-units --all --plain --no-legend $unit.service)" ] || '
            "echo $unit; done; "
            "for unit in keepalived bird; do "
            '[ "$(systemctl show $unit --value --property=NeedDaemonReload)" != yes ] || '
            "echo $unit; done; fi; true"
        )


@change("systemd knows none of ours")
def forget_units(node: Node) -> Iterator[str]:
    """Have systemd read its units again, without ours."""
    if found := rolling.get(RememberedUnits, names=_named("units", node)):
        units = " ".join(found)
        yield f"systemctl daemon-reload; systemctl reset-failed {units} 2>/dev/null || true"
