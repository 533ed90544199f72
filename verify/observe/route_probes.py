"""What a machine is asked about its way out: where from, and who else sets its addresses."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from settings import Cluster, Node
from verify.observe.probe import ShellProbe, told

# Nobody's (RFC 5737, RFC 3849): they show the way to the rest of the world, and nothing is sent.
ELSEWHERE = (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1"))
# Where ifupdown, netplan, systemd-networkd, NetworkManager and Red Hat's scripts keep addresses.
_MANAGERS = (
    "/etc/network/interfaces /etc/network/interfaces.d /etc/netplan /etc/systemd/network "
    "/run/systemd/network /etc/NetworkManager/system-connections "
    "/run/NetworkManager/system-connections /etc/sysconfig/network-scripts"
)


class PeerRoute(NamedTuple):
    """How a machine reaches another one in a network that they share. (Those of a routed cluster
    need share none: the router between them may be at another interface.)"""

    interface: str
    source: IPv4Address | IPv6Address


def ways(node: Node, cluster: Cluster) -> dict[IPv4Address | IPv6Address, PeerRoute]:
    """The ways to the other nodes, by their addresses in each network."""
    found: dict[IPv4Address | IPv6Address, PeerRoute] = {}
    for network in cluster.networks:
        mine = network[node.name]
        for version in (4, 6):
            for peer in cluster.peers(node):
                own, to = mine.own(version), network[peer.name].own(version)
                if own and to:
                    found.setdefault(to, PeerRoute(mine.name, own))
    return found


def destinations(node: Node, cluster: Cluster) -> tuple[IPv4Address | IPv6Address, ...]:
    """Whom the machine is asked its way to: the other nodes, the time server where that is given
    as an address, and elsewhere."""
    found = list(ways(node, cluster))
    with suppress(ValueError):  # a name: to look it up may take long
        found.append(ip_address(node.ntp_server))
    found += [place for place in ELSEWHERE if place.version == 4 or node.address6]
    return tuple(dict.fromkeys(found))


def from_kernel(node: Node, cluster: Cluster) -> list[ShellProbe]:
    """The kernel's routes, and files that set a VIP."""
    asked = [f"route get {address}" for address in destinations(node, cluster)]
    lines = " ".join(f"'{line}'" for line in asked)
    # -w: not within a longer address.
    vips = " ".join(f"-e {vip.ip}" for vip in cluster.addresses)
    return [
        told(
            "routes",
            f"printf '%s\\n' {lines} | ip -j -force -batch -",
            "; ".join(f"ip {line}" for line in asked),
        ),
        told(
            "vip_files",
            # It fails, too, where one of these is not there; but it has to have run.
            f"found=$(grep -rsHwiF {vips} {_MANAGERS})\n"
            '[ $? -le 2 ] || exit 3\necho "${found:-none}"',
            f"grep -rsw {vips} {_MANAGERS}",
        ),
    ]
