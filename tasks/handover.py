"""tandem-handover: connections go on when the address moves. The classic profile has none."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pyinfra import host
from pyinfra.api import StringCommand, operation

from settings import Cluster, Node
from tasks import asking, keepalived, place, rendering, service, units
from tasks.machine import Machine, shell

SERVICE = "tandem-handover"
PROGRAM = "/usr/lib/tandem/handover"
TABLES = "/etc/tandem/handover.nft"
SYSCTLS = "/etc/sysctl.d/61-tandem-handover.conf"
# Succeeds once the next move of the address may come.
READY = f"{service.MANAGER} is-active -q {SERVICE}"

# Where a node tells the others that it carries the address, and for how long they believe it.
BEAT_PORT = 7112
BEAT_MS = 600
# RFC 2474 keeps the values of DSCP that end in 11 (binary) for local and experimental use.
HOPS = tuple(range(63, 0, -4))


def hops(cluster: Cluster) -> tuple[int, ...]:
    """What marks a segment that was sent on once, twice, …; the last one as often as it may be."""
    return HOPS[: len(cluster.nodes) - 1]


def tables(node: Node, cluster: Cluster) -> list[dict[str, Any]]:
    """What differs between the table of IPv4 and that of IPv6."""
    here = cluster.nodes.index(node)
    order = [*cluster.nodes[here + 1 :], *cluster.nodes[:here]]
    found = [
        {
            "family": "ip",
            "vip": node.vip.ip,
            "errors": "icmp type destination-unreachable",
            "peers": [_peer(cluster, peer, peer.address) for peer in order],
        }
    ]
    if node.vip6:
        found.append(
            {
                "family": "ip6",
                "vip": node.vip6.ip,
                "errors": "icmpv6 type { destination-unreachable, packet-too-big }",
                "peers": [_peer(cluster, peer, peer.address6) for peer in order],
            }
        )
    return found


def _peer(cluster: Cluster, peer: Node, address: object) -> dict[str, Any]:
    return {"name": peer.name, "address": address, "place": cluster.nodes.index(peer) + 1}


def rules(node: Node, cluster: Cluster) -> str:
    """The file that nft loads."""
    if not node.handover:
        return "# Hand-over is switched off (handover = False): no table.\n"
    return rendering.render(
        "handover/tables.nft.j2",
        node=node,
        tables=tables(node, cluster),
        hops=hops(cluster),
        port=BEAT_PORT,
        beat_ms=BEAT_MS,
    )


def command(node: Node, cluster: Cluster) -> str:
    """The program as the unit runs it, in one line: `absent` takes it from there."""
    words = [PROGRAM, "--interface", node.interface, "--port", BEAT_PORT]
    words += ["--window", node.handover_window_s if node.handover else 0]
    words += ["--speakers", keepalived.SPEAKERS]
    if node.handover:
        words += ["--table", TABLES]
    words += ["--vip", node.vip.ip, "--own", node.address]
    for peer in cluster.peers(node):
        words += ["--other", peer.address]
    if node.vip6:
        words += ["--vip", node.vip6.ip, "--own", node.address6]
        for peer in cluster.peers(node):
            words += ["--other", peer.address6]
    return f"/usr/bin/python3 {shell(*words)}"


def configure(node: Node, cluster: Cluster, machine: Machine) -> None:
    """Have the hand-over, or have it gone."""
    if node.classic:
        unit_path = units.path(SERVICE, machine)
        place.ahead(unit_path)
        absent(name="Hand-over: not in the classic profile", unit=unit_path)
        return
    place.file(
        name="Hand-over: the program",
        path=PROGRAM,
        content=rendering.read("tandem/handover"),
        mode="755",
    )
    place.file(
        name="Hand-over: nftables, tested before they are moved in",
        path=TABLES,
        content=rules(node, cluster),
        check="nft --check --file {new}",
    )
    place.file(
        name="Hand-over: sysctls",
        path=SYSCTLS,
        content=rendering.render("handover/sysctl.conf.j2", node=node),
    )
    unit = units.handover(command(node, cluster), machine)
    place.file(name="Hand-over: its unit", path=unit.path, content=unit.content, mode=unit.mode)


@operation()
def absent(unit: str) -> Generator[StringCommand, None, None]:
    """Remove it, and what it did to this machine: `lo`, nftables and sysctls are as before."""
    if place.state_of(unit) is None:
        host.noop("there is none")
        return
    asking.changed()
    yield StringCommand(f"{service.MANAGER} disable --now {SERVICE}")
    yield StringCommand(
        f"""$(sed -nE 's/^(ExecStart=|command=)"?([^"]*)"?$/\\2/p' {unit}) --remove"""
    )
    yield StringCommand(f"rm -rf {unit} {PROGRAM} {TABLES} {SYSCTLS} /var/lib/{SERVICE}")
