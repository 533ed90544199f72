"""What keeps connections alive when the address moves: a node sends on what others know."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

from controller import rendering
from settings import Cluster, Node
from settings.node import BEAT_PORT
from settings.values import Interface
from tasks.keepalived import configuration
from tasks.machine.quoting import placed, quoted

PROGRAM = "/usr/lib/tandem/handover"
TABLES = "/etc/tandem/handover.nft"
CHECK = "nft --check --file {new}"

# How long it holds that a node has announced that it has the address.
BEAT_MS = 600
# RFC 2474 keeps the values of DSCP that end in 11 (binary) for local and experimental use.
HOPS = tuple(range(63, 0, -4))


def hops(cluster: Cluster) -> tuple[int, ...]:
    """Values of DSCP that mark a segment as forwarded once, twice, …, as often as it may be."""
    return HOPS[: len(cluster.nodes) - 1]


ERRORS = {
    4: "icmp type destination-unreachable",
    6: "icmpv6 type { destination-unreachable, packet-too-big }",
}


def tables(node: Node, cluster: Cluster) -> list[dict[str, Any]]:
    """The values of each table of nftables: one for each address that moves, of either family."""
    here = cluster.nodes.index(node)
    order = [*cluster.nodes[here + 1 :], *cluster.nodes[:here]]
    return [
        {
            "name": f"tandem_handover_{vrrp.place + 1}" if vrrp.place else "tandem_handover",
            "family": "ip" if vip.version == 4 else "ip6",
            "vip": vip.ip,
            "interface": vrrp.view_of(node).interface,
            "port": BEAT_PORT + vrrp.place,
            "errors": ERRORS[vip.version],
            "peers": [
                {
                    "name": peer.name,
                    "address": _own(vrrp.view_of(peer), vip),
                    "place": cluster.nodes.index(peer) + 1,
                }
                for peer in order
            ],
        }
        for vrrp, vip in _moving(cluster)
    ]


def _moving(cluster: Cluster) -> Iterator[tuple[Cluster, Interface]]:
    """The addresses that move, each after the VIP whose election it follows."""
    for vrrp in cluster.vips:
        yield vrrp, vrrp.vip
        if vrrp.vip6:
            yield vrrp, vrrp.vip6


def _own(view: Node, vip: Interface) -> object:
    """The node's own address where it has that VIP."""
    return view.interfaces[0].own(vip.version)


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
    """The program as the unit runs it, in one line: `remove` reads it there."""
    window = node.handover_window_s if node.handover else 0
    words: list[object] = ["/usr/bin/python3", PROGRAM]
    words += [word for each in node.interfaces for word in ("--interface", each.name)]
    words += ["--window", window, "--speakers", configuration.SPEAKERS]
    words += ["--table", TABLES] if node.handover else []
    beats: dict[tuple[bool, str, int], dict[tuple[str, str], None]] = {}
    for vrrp, vip in _moving(cluster):
        view = vrrp.view_of(node)
        given = partial(placed, interface=view.interface, usual=node.interface)
        words += ["--vip", given(vip.ip), "--port", BEAT_PORT + vrrp.place]
        place = (view.interface != node.interface, view.interface, int(vip.version))
        options = beats.setdefault(place, {("--own", given(_own(view, vip))): None})
        for peer in cluster.peers(node):
            options["--other", given(_own(vrrp.view_of(peer), vip))] = None
    for place in sorted(beats):
        words += chain.from_iterable(beats[place])
    return quoted(*words)
