"""Taking Tandem off machines: what runs there, and what the kernel has of it.

What comes before is in teardown_plan.py, what lies on the disk in teardown_places.py; the rest is
undone beside where it is done.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host as this_host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts
from settings import Cluster, Node
from tasks.change import removal_places as places
from tasks.change import turns, vip_move
from tasks.change.removal_plan import Leaving
from tasks.keepalived import vips
from tasks.machine import (
    account,
    firewall,
    install_record,
    one_file,
    packages,
    selinux,
    service_state,
    units,
)
from tasks.machine.survey import Machine
from tasks.metrics import exporters
from tasks.sysv import supervision

SERVICES = ("keepalived", "nginx", "tandem-watch", "tandem-handover")


def ahead(cluster: Cluster, node: Node, machine: Machine) -> None:
    """Have all that this machine's turn has to know asked at once."""
    batched_facts.rolling.request(Running)
    batched_facts.rolling.request(Addresses, **_addresses(node, cluster))
    batched_facts.rolling.request(Tables)
    batched_facts.rolling.request(Settings)
    batched_facts.rolling.request(Forgotten)
    for each in places.EVERY:
        batched_facts.rolling.request(places.There, places=each)
    batched_facts.rolling.request(account.BroughtAccount)
    if machine.family:
        batched_facts.rolling.request(packages.BroughtPackages, family=machine.family)
    batched_facts.rolling.request(firewall.Opened)
    if machine.selinux:
        batched_facts.rolling.request(selinux.Labelled)
    if not machine.systemd:
        batched_facts.rolling.request(supervision.Respawned)
    one_file.ahead(exporters.TABLE)
    for name in ("tandem-watch", "tandem-handover"):
        one_file.ahead(units.path(name, machine))


# --- what runs -----------------------------------------------------------------------------------


@operation()
def given_away(node: Node, leaving: Leaving) -> Generator[StringCommand, None, None]:
    """Give the VIP to another machine, if this one holds it and another can take it."""
    if not leaving.found[node.name].ours:
        this_host.noop("nothing of Tandem is there")
        return
    if not this_host.get_fact(vip_move.NodeStanding, **vip_move.asked(this_host)).holds:
        this_host.noop("it does not hold the VIP")
        return
    able = [peer.name for peer in leaving.serving]
    for peer in leaving.order:
        other = this_host.inventory.get_host(peer.name)
        if peer.name != node.name and other in this_host.state.active_hosts:
            standing = other.get_fact(vip_move.NodeStanding, **vip_move.asked(other))
            able += [] if standing.trouble or standing.drained else [peer.name]
    if not able:
        this_host.noop("no other machine could take it: it goes away here")
        return
    batched_facts.invalidate()
    yield StringCommand(f"mkdir -p /run/tandem && touch {turns.DRAIN}")
    left = vips.wait_for(node, gone=vips.of(leaving.cluster), seconds=turns.LEAVES_S)
    yield StringCommand(f"( {left} ) || {{ rm -f {turns.DRAIN}; exit 1; }}")


class Running(FactBase[list[str]]):
    """Which of our services run, or would at the next boot."""

    default = list

    def command(self) -> str:
        return (
            f"if [ -x {service_state.MANAGER} ]; then for each in {' '.join(SERVICES)}; do "
            f"{service_state.MANAGER} is-active --quiet $each || "
            f"{service_state.MANAGER} is-enabled --quiet $each && echo $each; "
            "done 2>/dev/null; fi; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def stopped(name_of_service: str) -> Generator[StringCommand, None, None]:
    """Stop it, and keep it from the next boot."""
    if name_of_service not in batched_facts.rolling.get(Running):
        this_host.noop(f"{name_of_service} does not run")
        return
    batched_facts.invalidate()
    yield StringCommand(f"{service_state.MANAGER} disable --now {name_of_service}")


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
    found = batched_facts.rolling.get(Tables)
    if not found:
        this_host.noop("there are none")
        return
    batched_facts.invalidate()
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
    found = batched_facts.rolling.get(Addresses, **_addresses(node, cluster))
    if not found:
        this_host.noop("it has no VIP")
        return
    batched_facts.invalidate()
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
            f"done 2>/dev/null <{install_record.SYSCTLS}; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return [line for line in output if " " in line]


@operation()
def settings_restored() -> Generator[StringCommand, None, None]:
    """Give kernel settings the values that they had."""
    found = batched_facts.rolling.get(Settings)
    if not found:
        this_host.noop("they are as they were")
        return
    batched_facts.invalidate()
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
    found = batched_facts.rolling.get(Forgotten)
    if not found:
        this_host.noop("systemd knows none of ours")
        return
    batched_facts.invalidate()
    yield StringCommand(
        "systemctl daemon-reload; systemctl reset-failed",
        f"{' '.join(found)} 2>/dev/null || true",
    )
