"""Steps of a teardown that belong to no single concern: VIP, tables of nftables, systemd's memory.

removal_plan.py decides the order of machines. Each concern stops its own services, and names its
files, units and tables in a footprint.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host as this_host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts
from settings import Cluster, Node
from tasks import handover, keepalived, machine, metrics, nginx, sysv, watch
from tasks.change import turns
from tasks.change.removal_plan import Leaving
from tasks.change.vip_move import NodeStatusFact, status_arguments
from tasks.keepalived import vips
from tasks.machine import (
    account,
    firewall,
    limits,
    one_file,
    packages,
    selinux,
    service_state,
    units,
)
from tasks.machine.footprint import IS_DEPLOYED, Footprint, PlacedPaths
from tasks.machine.survey import SurveyedMachine
from tasks.sysv.supervision import RespawnedByInit


def footprints(node: Node) -> tuple[Footprint, ...]:
    """What each concern leaves on this node's machine, in the order of their removal.

    The machine's own come last, since they hold what the others share; the record of all this is
    apart, since even packages go before it.
    """
    return (
        keepalived.FOOTPRINT,
        handover.FOOTPRINT,
        watch.FOOTPRINT,
        nginx.footprint(node),
        metrics.FOOTPRINT,
        sysv.FOOTPRINT,
        machine.FOOTPRINT,
    )


def ask_ahead(node: Node, cluster: Cluster, surveyed: SurveyedMachine) -> None:
    """Have the facts of this machine's turn asked at once."""
    every = footprints(node)
    for service in (keepalived.SERVICE, nginx.SERVICE):
        batched_facts.rolling.request(service_state.RunsOrWould, service=service)
    batched_facts.rolling.request(vips.LeftVips, **vips.left_arguments(node, cluster))
    batched_facts.rolling.request(Tables, names=_tables(every))
    batched_facts.rolling.request(limits.ChangedSysctls)
    batched_facts.rolling.request(RememberedUnits, names=_units(every))
    for footprint in (*every, machine.RECORD):
        batched_facts.rolling.request(PlacedPaths, footprint=footprint)
    batched_facts.rolling.request(account.RecordedAccount)
    if surveyed.family:
        batched_facts.rolling.request(packages.RecordedPackagesFact, family=surveyed.family)
    batched_facts.rolling.request(firewall.OpenedEntries)
    if surveyed.selinux:
        batched_facts.rolling.request(selinux.LabelsFact)
    if not surveyed.systemd:
        batched_facts.rolling.request(RespawnedByInit)
    one_file.ask_ahead(metrics.TABLE)
    for service in (watch.SERVICE, handover.SERVICE):
        one_file.ask_ahead(units.path(service.name, surveyed))


@operation()
def release_vip(node: Node, leaving: Leaving) -> Generator[StringCommand, None, None]:
    """Give the VIP to another machine, if this one holds it and another can take it."""
    if not leaving.found[node.name].deployed:
        this_host.noop("nothing of Tandem is there")
        return
    if not this_host.get_fact(NodeStatusFact, **status_arguments(this_host)).holds:
        this_host.noop("it does not hold the VIP")
        return
    able = [peer.name for peer in leaving.serving]
    for peer in leaving.order:
        other = this_host.inventory.get_host(peer.name)
        if peer.name != node.name and other in this_host.state.active_hosts:
            status = other.get_fact(NodeStatusFact, **status_arguments(other))
            able += [] if status.trouble or status.drained else [peer.name]
    if not able:
        this_host.noop("no other machine could take it: it goes away here")
        return
    batched_facts.invalidate()
    yield from turns.drain(node, leaving.cluster)


def _tables(every: tuple[Footprint, ...]) -> tuple[str, ...]:
    return tuple(table for footprint in every for table in footprint.tables)


class Tables(FactBase[list[str]]):
    """The tables of nftables with one of `names`, "FAMILY NAME" each."""

    default = list

    def command(self, names: tuple[str, ...]) -> str:
        return (
            "nft list tables 2>/dev/null | while read -r _ family name; do case $name in "
            f'{" | ".join(names)}) echo "$family $name" ;; esac; done; true'
        )

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def delete_tables(node: Node) -> Generator[StringCommand, None, None]:
    """Delete our tables of nftables; nobody else's rules are touched."""
    found = batched_facts.rolling.get(Tables, names=_tables(footprints(node)))
    if not found:
        this_host.noop("there are no tables of ours")
        return
    batched_facts.invalidate()
    for table in found:
        yield StringCommand(f"nft delete table {table}")


def _units(every: tuple[Footprint, ...]) -> tuple[str, ...]:
    return tuple(unit for footprint in every for unit in footprint.units)


class RememberedUnits(FactBase[list[str]]):
    """Which of our units systemd still knows although their files are gone.

    keepalived's, which is a package's, counts while what a deploy has added to it is remembered.
    """

    default = list

    def command(self, names: tuple[str, ...]) -> str:
        return (
            f"if {IS_DEPLOYED} && [ -d /run/systemd/system ]; then "
            f"for unit in {' '.join(names)}; do "
            "[ -e /etc/systemd/system/$unit.service ] || "
            '[ -z "$(systemctl list-units --all --plain --no-legend $unit.service)" ] || '
            "echo $unit; done; "
            '[ "$(systemctl show keepalived --value --property=NeedDaemonReload)" != yes ] || '
            "echo keepalived; fi; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def forget_units(node: Node) -> Generator[StringCommand, None, None]:
    """Have systemd read its units again, without ours."""
    found = batched_facts.rolling.get(RememberedUnits, names=_units(footprints(node)))
    if not found:
        this_host.noop("systemd knows none of ours")
        return
    batched_facts.invalidate()
    yield StringCommand(
        "systemctl daemon-reload; systemctl reset-failed",
        f"{' '.join(found)} 2>/dev/null || true",
    )
