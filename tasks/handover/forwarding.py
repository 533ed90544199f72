"""tandem-handover: connections go on when the address moves. The classic profile has none."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from operator import attrgetter
from typing import Any

from pyinfra import host
from pyinfra.api import StringCommand, operation

from controller import batched_facts, program_archive, rendering
from settings import Cluster, Node
from settings.node import Interface
from tasks.keepalived import configuration
from tasks.machine import one_file, service_state, units
from tasks.machine.survey import Machine, shell

SERVICE = "tandem-handover"
PROGRAM = "/usr/lib/tandem/handover"
TABLES = "/etc/tandem/handover.nft"
SYSCTLS = "/etc/sysctl.d/61-tandem-handover.conf"
# Succeeds once the next move of the address may come.
READY = f"{service_state.MANAGER} is-active -q {SERVICE}"

# Where a node tells the others that it carries the address, and for how long they believe it.
BEAT_PORT = 7112
BEAT_MS = 600
# RFC 2474 keeps the values of DSCP that end in 11 (binary) for local and experimental use.
HOPS = tuple(range(63, 0, -4))


def hops(cluster: Cluster) -> tuple[int, ...]:
    """What marks a segment that was sent on once, twice, …; the last one as often as it may be."""
    return HOPS[: len(cluster.nodes) - 1]


ERRORS = {
    4: "icmp type destination-unreachable",
    6: "icmpv6 type { destination-unreachable, packet-too-big }",
}


def tables(node: Node, cluster: Cluster) -> list[dict[str, Any]]:
    """What differs between the tables: one for each address that moves, of either family."""
    here = cluster.nodes.index(node)
    order = [*cluster.nodes[here + 1 :], *cluster.nodes[:here]]
    return [
        {
            "name": f"tandem_handover_{place + 1}" if place else "tandem_handover",
            "family": "ip" if vip.version == 4 else "ip6",
            "vip": vip.ip,
            "port": BEAT_PORT + place,
            "errors": ERRORS[vip.version],
            "peers": [
                {
                    "name": peer.name,
                    "address": _own(peer, vip),
                    "place": cluster.nodes.index(peer) + 1,
                }
                for peer in order
            ],
        }
        for place, vip in _moving(cluster)
    ]


def _moving(cluster: Cluster) -> Iterator[tuple[int, Interface]]:
    """The addresses that move, and whose election each follows."""
    for vrrp in cluster.vips:
        yield vrrp.place, vrrp.vip
        if vrrp.vip6:
            yield vrrp.place, vrrp.vip6


def _own(node: Node, vip: Interface) -> object:
    return node.address if vip.version == 4 else node.address6


def ports(cluster: Cluster) -> range:
    """The UDP ports of the beats, one for each VIP."""
    return range(BEAT_PORT, BEAT_PORT + len(cluster.vips))


def rules(node: Node, cluster: Cluster) -> str:
    """The file that nft loads."""
    if not node.handover:
        return "# Hand-over is switched off (handover = False): no table.\n"
    return rendering.render(
        "handover/tables.nft.j2",
        node=node,
        tables=tables(node, cluster),
        hops=hops(cluster),
        beat_ms=BEAT_MS,
    )


def command(node: Node, cluster: Cluster) -> str:
    """The program as the unit runs it, in one line: `absent` takes it from there."""
    words: list[object] = [PROGRAM, "--interface", node.interface]
    words += ["--window", node.handover_window_s if node.handover else 0]
    words += ["--speakers", configuration.SPEAKERS]
    if node.handover:
        words += ["--table", TABLES]
    for order, vip in _moving(cluster):
        words += ["--vip", vip.ip, "--port", BEAT_PORT + order]
    for version in sorted({vip.version for vip in cluster.addresses}):
        each = attrgetter("address" if version == 4 else "address6")
        words += ["--own", each(node)]
        for peer in cluster.peers(node):
            words += ["--other", each(peer)]
    return f"/usr/bin/python3 {shell(*words)}"


def configure(node: Node, cluster: Cluster, machine: Machine) -> None:
    """Have the hand-over, or have it gone."""
    if node.classic:
        unit_path = units.path(SERVICE, machine)
        one_file.ahead(unit_path)
        absent(name="Hand-over: not in the classic profile", unit=unit_path)
        return
    one_file.file(
        name="Hand-over: the program",
        path=PROGRAM,
        content=program_archive.archive("handover/handover"),
        mode="755",
    )
    one_file.file(
        name="Hand-over: nftables, tested before they are moved in",
        path=TABLES,
        content=rules(node, cluster),
        check="nft --check --file {new}",
    )
    one_file.file(
        name="Hand-over: sysctls",
        path=SYSCTLS,
        content=rendering.render("handover/sysctl.conf.j2", node=node),
    )
    unit = units.handover(command(node, cluster), machine)
    one_file.file(name="Hand-over: its unit", path=unit.path, content=unit.content, mode=unit.mode)


@operation()
def absent(unit: str) -> Generator[StringCommand, None, None]:
    """Remove it, and what it did to this machine: `lo`, nftables and sysctls are as before."""
    if one_file.state_of(unit) is None:
        host.noop("there is none")
        return
    batched_facts.changed()
    yield StringCommand(f"{service_state.MANAGER} disable --now {SERVICE}")
    yield StringCommand(
        f"""$(sed -nE 's/^(ExecStart=|command=)"?([^"]*)"?$/\\2/p' {unit}) --remove"""
    )
    yield StringCommand(f"rm -rf {unit} {PROGRAM} {TABLES} {SYSCTLS} /var/lib/{SERVICE}")
