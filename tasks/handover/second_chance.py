"""What lets connections go on where routers spread them over all nodes: the mesh and its rules."""

from __future__ import annotations

from typing import Any

from controller import lock, rendering
from settings import Cluster, Node
from settings.network import mesh_addresses
from tasks.handover.forwarding import BEAT_MS, ERRORS, PROGRAM, TABLES
from tasks.keepalived import DRAIN_FILE
from tasks.machine.others.port_holders import settings_of
from tasks.machine.quoting import quoted

TABLE = "tandem_handover"
# How often a client may begin a connection; elsewhere keepalived's unit loads that.
CLIENTS, CLIENTS_CHECK = "/etc/tandem/clients.nft", "nft --check --file {new}"
# nft wants the interface to be there, which the service makes: in a network of the check's own.
_MESH = (
    f"ip link add {mesh_addresses.DEVICE} type vxlan id {mesh_addresses.VNI} "
    f"dstport {mesh_addresses.UDP_PORT}"
)
CHECK = f"unshare --net sh -c '{_MESH} && nft --check --file $0' {{new}}"
# Values of DSCP that RFC 2474 keeps for local use. They are seen in the mesh alone.
WORDS = {"asked": 63, "yes": 59, "no": 55, "given": 51, "gone": 47}
# So long a node remembers whose a connection is after its last segment, and that it is nobody's.
KNOWN_S, UNKNOWN_MS = 120, 200
CONNECTIONS = 262_144
QUESTIONS_PER_S = 20_000


def tables(node: Node, cluster: Cluster) -> list[dict[str, Any]]:
    """The values of each table of nftables: one for each family of the address."""
    here = cluster.nodes.index(node)
    order = [*cluster.nodes[here + 1 :], *cluster.nodes[:here]]
    owns = [str(each.address) for each in cluster.nodes]
    found = []
    for vip in cluster.addresses:
        family = "ip" if vip.version == 4 else "ip6"
        called = mesh_addresses.addresses(owns, vip.version)
        places = [(peer, cluster.nodes.index(peer) + 1) for peer in order]
        found.append(
            {
                "family": family,
                "ether_type": "ip" if vip.version == 4 else "ip6",
                "vip": vip.ip,
                "errors": ERRORS[vip.version],
                "peers": [
                    {
                        "name": peer.name,
                        "place": place,
                        "mac": mesh_addresses.mac(peer.address),
                        "next_hop": called[str(peer.address)],
                    }
                    for peer, place in places
                ],
            }
        )
    return found


def ports(node: Node) -> str:
    """Those of nginx on which a connection may begin, as nft has them."""
    listened = settings_of(node)
    return ", ".join(str(port) for protocol, port in sorted(listened) if protocol == "tcp")


def rules(node: Node, cluster: Cluster) -> str:
    """The file that nft loads."""
    if not node.handover:
        return "# Hand-over is switched off (handover = False): no table.\n"
    return rendering.render(
        "handover/second_chance.nft.j2",
        name=TABLE,
        mesh=mesh_addresses,
        peers=[peer.address for peer in cluster.peers(node)],
        tables=tables(node, cluster),
        words=WORDS,
        ports=ports(node),
        beat_ms=BEAT_MS,
        known_s=KNOWN_S,
        unknown_ms=UNKNOWN_MS,
        connections=CONNECTIONS,
        questions_per_s=QUESTIONS_PER_S,
    )


def client_rules(node: Node, cluster: Cluster) -> str:
    """The file that nft loads about clients' new connections, hand-over or not."""
    return rendering.render("handover/clients.nft.j2", node=node, cluster=cluster)


def command(node: Node, cluster: Cluster) -> str:
    """The program as the unit runs it, in one line."""
    words: list[object] = ["/usr/bin/python3", PROGRAM, "--own", node.address]
    for vip in cluster.addresses:
        words += ["--vip", vip.ip]
    words += [word for each in node.interfaces for word in ("--interface", each.name)]
    for peer in cluster.peers(node):
        words += ["--mesh", peer.address]
    words += ["--drained", DRAIN_FILE, "--drained", lock.DRAIN]
    words += ["--window", node.handover_window_s if node.handover else 0]
    words += ["--table", TABLES] if node.handover else []
    words += ["--clients", CLIENTS]
    return quoted(*words)
