"""What a machine is asked about the mesh: its interface, who is behind it, and who is heard."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Cluster, Node
from settings.network import mesh_addresses
from verify.observe.bundle import Bundle
from verify.observe.probe import ShellProbe, told

TABLE = "tandem_handover"
_DEVICE = mesh_addresses.DEVICE
_MESH = f"""\
ip link show {_DEVICE} >/dev/null 2>&1 || {{ ip link show lo >/dev/null && echo none; exit; }}
echo "link $(ip -d -j link show {_DEVICE})"
echo "forwarding $(bridge -j fdb show dev {_DEVICE})"
echo "neighbours $(ip -j neighbour show dev {_DEVICE} nud permanent)\""""


def bundles(node: Node, cluster: Cluster) -> list[Bundle]:
    """None where the hand-over is switched off: then there is no mesh."""
    if not node.handover:
        return []
    return [
        Bundle(
            told("mesh", _MESH, f"ip -d link show {_DEVICE}; bridge fdb show dev {_DEVICE}"),
            _heard(node, cluster),
        )
    ]


def places(cluster: Cluster) -> dict[str, int]:
    """Each node's place in the mesh, by its name."""
    return {node.name: place for place, node in enumerate(cluster.nodes, start=1)}


def families(cluster: Cluster) -> tuple[str, ...]:
    """Those of nftables that have a table: of the VIPs."""
    vips = filter(None, (cluster.vip, cluster.vip6))
    return tuple("ip" if vip.version == 4 else "ip6" for vip in vips)


def _sets(node: Node, cluster: Cluster) -> Iterator[str]:
    for family in families(cluster):
        for name, place in places(cluster).items():
            if name != node.name:
                yield f"{family} {TABLE} alive_{place}"
                yield f"{family} {TABLE} serves_{place}"


def _heard(node: Node, cluster: Cluster) -> ShellProbe:
    """Whether each of the sets that beats renew has anything in it. (The others may be large, so
    that the tables are not asked for with what is in them.)"""
    words = " ".join(f"'{each}'" for each in _sets(node, cluster))
    command = f"""\
count=0
for its in {words}; do
    # shellcheck disable=SC2086  # family, table and name
    found=$(nft list set $its 2>&1)
    case $found in
    *'elements = '*) how=there ;;
    *'set '*{{*}}*) how=empty ;;
    *'No such file or directory'*) how=absent ;;
    *) how=unknown ;;
    esac
    echo "${{its%% *}} ${{its##* }} $how"
    count=$((count + 1))
done
echo "$count sets\""""
    shown = f"nft list sets | grep -A 6 -e alive_ -e serves_   (of {TABLE})"
    return told("mesh_heard", command, shown)
