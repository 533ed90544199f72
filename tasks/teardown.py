"""Taking Tandem off machines: what runs there, and what the kernel has of it.

What comes before is in teardown_plan.py, what lies on the disk in teardown_places.py; the rest is
undone beside where it is done.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host as this_host
from pyinfra.api import FactBase, StringCommand, operation

from settings import Cluster, Node
from tasks import (
    account,
    asking,
    brought,
    firewalld,
    metrics,
    packages,
    place,
    selinux,
    service,
    supervision,
    switchover,
    turns,
    units,
    vips,
)
from tasks import teardown_places as places
from tasks.machine import Machine
from tasks.teardown_plan import Leaving

SERVICES = ("keepalived", "nginx", "tandem-watch", "tandem-handover")


def ahead(cluster: Cluster, node: Node, machine: Machine) -> None:
    """Have all that this machine's turn has to know asked at once."""
    asking.turns.ahead(Running)
    asking.turns.ahead(Addresses, **_addresses(node, cluster))
    asking.turns.ahead(Tables)
    asking.turns.ahead(Settings)
    asking.turns.ahead(Forgotten)
    for each in places.EVERY:
        asking.turns.ahead(places.There, places=each)
    asking.turns.ahead(account.BroughtAccount)
    if machine.family:
        asking.turns.ahead(packages.BroughtPackages, family=machine.family)
    asking.turns.ahead(firewalld.Opened)
    if machine.selinux:
        asking.turns.ahead(selinux.Labelled)
    if not machine.systemd:
        asking.turns.ahead(supervision.Respawned)
    place.ahead(metrics.TABLE)
    for name in ("tandem-watch", "tandem-handover"):
        place.ahead(units.path(name, machine))


# --- what runs -----------------------------------------------------------------------------------


@operation()
def given_away(node: Node, leaving: Leaving) -> Generator[StringCommand, None, None]:
    """Give the VIP to another machine, if this one holds it and another can take it."""
    if not leaving.found[node.name].ours:
        this_host.noop("nothing of Tandem is there")
        return
    if not this_host.get_fact(switchover.NodeStanding, **switchover.asked(this_host)).holds:
        this_host.noop("it does not hold the VIP")
        return
    able = [peer.name for peer in leaving.serving]
    for peer in leaving.order:
        other = this_host.inventory.get_host(peer.name)
        if peer.name != node.name and other in this_host.state.active_hosts:
            standing = other.get_fact(switchover.NodeStanding, **switchover.asked(other))
            able += [] if standing.trouble or standing.drained else [peer.name]
    if not able:
        this_host.noop("no other machine could take it: it goes away here")
        return
    asking.changed()
    yield StringCommand(f"mkdir -p /run/tandem && touch {turns.DRAIN}")
    left = vips.wait_for(node, gone=vips.of(leaving.cluster), seconds=turns.LEAVES_S)
    yield StringCommand(f"( {left} ) || {{ rm -f {turns.DRAIN}; exit 1; }}")


class Running(FactBase[list[str]]):
    """Which of our services run, or would at the next boot."""

    default = list

    def command(self) -> str:
        return (
            f"if [ -x {service.MANAGER} ]; then for each in {' '.join(SERVICES)}; do "
            f"{service.MANAGER} is-active --quiet $each || "
            f"{service.MANAGER} is-enabled --quiet $each && echo $each; "
            "done 2>/dev/null; fi; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def stopped(name_of_service: str) -> Generator[StringCommand, None, None]:
    """Stop it, and keep it from the next boot."""
    if name_of_service not in asking.turns.answer(Running):
        this_host.noop(f"{name_of_service} does not run")
        return
    asking.changed()
    yield StringCommand(f"{service.MANAGER} disable --now {name_of_service}")


class Tables(FactBase[list[str]]):
    """Our tables of nftables, "FAMILY NAME" each: all whose name begins with tandem_."""

    default = list

    def command(self) -> str:
        return "nft list tables 2>/dev/null | sed -n 's/^table \\(.* tandem_.*\\)$/\\1/p'; true"

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def tables_gone() -> Generator[StringCommand, None, None]:
    """Delete them; nobody else's rules are touched."""
    found = asking.turns.answer(Tables)
    if not found:
        this_host.noop("there are none")
        return
    asking.changed()
    for table in found:
        yield StringCommand(f"nft delete table {table}")


class Addresses(FactBase[list[str]]):
    """Where a machine of ours has the VIPs: "ADDRESS/PREFIX INTERFACE" each."""

    default = list

    def command(self, vips: tuple[str, ...], interface: str) -> str:
        shown = "".join(f"ip -o address show to {vip}; " for vip in vips)
        mine = f'$2 == "lo" || $2 == "{interface}" {{ print $4, $2 }}'
        return f"if {places.IS_OURS}; then {{ {shown}}} | awk '{mine}'; fi; true"

    def process(self, output: list[str]) -> list[str]:
        return output


def _addresses(node: Node, cluster: Cluster) -> dict[str, object]:
    vips = tuple(str(vip.ip) for vip in cluster.addresses)
    return {"vips": vips, "interface": node.interface}


@operation()
def addresses_gone(node: Node, cluster: Cluster) -> Generator[StringCommand, None, None]:
    """Take them off, where a service that was killed has left them."""
    found = asking.turns.answer(Addresses, **_addresses(node, cluster))
    if not found:
        this_host.noop("it has no VIP")
        return
    asking.changed()
    for line in found:
        address, interface = line.split()
        yield StringCommand(f"ip address delete {address} dev {interface}")


class Settings(FactBase[list[str]]):
    """Kernel settings as they were before a deploy changed them, where they are others now."""

    default = list

    def command(self) -> str:
        return (
            "while read -r name value; do "
            '[ "$(cat "/proc/sys/$name" 2>/dev/null)" = "$value" ] || echo "$name $value"; '
            f"done 2>/dev/null <{brought.SYSCTLS}; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return [line for line in output if " " in line]


@operation()
def settings_restored() -> Generator[StringCommand, None, None]:
    """Give kernel settings the values that they had."""
    found = asking.turns.answer(Settings)
    if not found:
        this_host.noop("they are as they were")
        return
    asking.changed()
    for line in found:
        name, _, value = line.partition(" ")
        yield StringCommand(f"echo '{value}' >/proc/sys/{name}")


class Forgotten(FactBase[list[str]]):
    """Units of ours that systemd still knows although their files have gone."""

    default = list

    def command(self) -> str:
        return (
            f"if {places.IS_OURS} && [ -d /run/systemd/system ]; then "
            "for unit in nginx tandem-watch tandem-handover; do "
            "[ -e /etc/systemd/system/$unit.service ] || "
            '[ -z "$(systemctl list-units --all --plain --no-legend $unit.service)" ] || '
            "echo $unit; done; "
            '[ "$(systemctl show keepalived --value --property=NeedDaemonReload)" != yes ] || '
            "echo keepalived; fi; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def units_forgotten() -> Generator[StringCommand, None, None]:
    """Have systemd read its units again, without ours."""
    found = asking.turns.answer(Forgotten)
    if not found:
        this_host.noop("systemd knows none of ours")
        return
    asking.changed()
    yield StringCommand(
        "systemctl daemon-reload; systemctl reset-failed",
        f"{' '.join(found)} 2>/dev/null || true",
    )
