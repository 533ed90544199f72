"""What the inventory says of routers: who has a session with whom, and in which networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_interface,
    ip_network,
)
from typing import TYPE_CHECKING

from lab.plan import Peering

if TYPE_CHECKING:
    from settings import Mistake, Node
    from settings.cluster import Cluster
    from settings.network.routed_settings import Router

# A network's prefix length where nothing tells it, and that of the widest there can be.
USUAL = {4: 24, 6: 64}
WIDEST = 8


def peerings(cluster: Cluster, node: Node, own: Sequence[str]) -> tuple[Peering, ...]:
    """The node's sessions, in the inventory's order.

    + own: its addresses, with their prefix lengths.
    """
    found = []
    for router in node.routers if node.routed else ():
        near = (ip_interface(each) for each in own)
        mine = next((each for each in near if router.address in each.network), None)
        if mine is not None:
            found.append(
                Peering(
                    machine=node.name,
                    address=str(mine.ip),
                    asn=node.asn or 0,
                    router=str(router.address),
                    router_asn=router.asn,
                    vips=tuple(
                        str(vip.ip)
                        for vip in cluster.addresses
                        if vip.version == router.address.version
                    ),
                    password=router.password.get_secret_value(),
                    bfd=router.bfd,
                    bfd_interval_ms=node.bfd_interval_ms,
                    bfd_misses=node.bfd_misses,
                )
            )
    return tuple(found)


def network(cluster: Cluster, node: Node) -> IPv4Network:
    """The IPv4 network of a routed node's first interface.

    No VIP tells it: it is the smallest from /24 up that has the node and its routers in it, except
    those of further interfaces; with another machine's in common, the wider of them.
    """
    own = _smallest(node)
    common = (each for each in map(_smallest, cluster.nodes) if each.overlaps(own))
    return min(common, key=lambda each: each.prefixlen)


def limits(clusters: Iterable[Cluster]) -> Iterator[Mistake]:
    """Routers that the lab has not."""
    for cluster in clusters:
        for node in cluster.nodes if cluster.routed else ():
            for index, router in enumerate(node.routers):
                yield from _limits(node, f"routers[{index}]", router)


def _limits(node: Node, setting: str, router: Router) -> Iterator[Mistake]:
    from settings import Mistake
    from settings.secret_origins import SecretError

    address = router.address
    if router.hops > 1:
        remedy = "a router of the lab is in the machines' own network: give 1, or no hops"
        yield Mistake(node.name, f"{setting}.hops", router.hops, remedy)
    elif _smallest(node).prefixlen < WIDEST:
        remedy = f"it is too far from {node.address}: give its address in that network"
        yield Mistake(node.name, f"{setting}.address", address, remedy)
    elif address.version == 6 and not any(address in each for each in _networks6(node)):
        shown = ", ".join(map(str, _networks6(node))) or "no IPv6 address"
        remedy = f"in the lab the machine has {shown}: give its address there"
        yield Mistake(node.name, f"{setting}.address", address, remedy)
    try:
        router.read_password()
    except SecretError as error:
        origin = router.password_origins[0]
        yield Mistake(node.name, f"{setting}.{origin.setting}", origin.where, str(error))


def _smallest(node: Node) -> IPv4Network:
    found = IPv4Network((node.address, USUAL[4]), strict=False)
    further = [_usual(own) for each in node.interfaces[1:] for own in each[1:] if own]
    for router in node.routers:
        address = router.address
        near = router.hops == 1 and not any(address in each for each in further)
        while address.version == 4 and near and address not in found:
            found = found.supernet()
    return found


def _networks6(node: Node) -> list[IPv4Network | IPv6Network]:
    return [_usual(own) for own in node.own_addresses if own.version == 6]


def _usual(address: IPv4Address | IPv6Address) -> IPv4Network | IPv6Network:
    """The network of an address where nothing tells how wide it is."""
    return ip_network((address, USUAL[address.version]), strict=False)
