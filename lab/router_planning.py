"""Derives the lab's routers and the clients' network behind them from peerings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import zip_longest

from lab.errors import LabError
from lab.plan import Card, ClientNetwork, LabRouter, MachineSpec, Peering, mac_of

Network = IPv4Network | IPv6Network

# No interface of a machine has an underscore in its port's name.
CLIENT_BRIDGE = "client_net"
TO_NODES, TO_CLIENTS = "nodes", "clients"
# Set aside for measurements (RFC 2544, RFC 5180): rarely anybody's own network.
CLIENT_RANGES = {4: ("198.18.0.0/15", 25), 6: ("2001:2::/48", 64)}
# In each: the gateway's own address, the routers' from the next on, then the clients'.
GATEWAY_HOST, FIRST_CLIENT, CLIENTS = 1, 32, 32
ROUTERS_MAX = FIRST_CLIENT - GATEWAY_HOST - 1
DOCUMENTATION_ASNS = range(65536, 65552)  # RFC 5398


def routers_and_clients(
    tag: str,
    specs: Sequence[MachineSpec],
    bridges: Mapping[Network, str],
    used: Iterable[Network],
) -> tuple[tuple[LabRouter, ...], ClientNetwork | None]:
    """The routers that the machines have sessions with, and the network between them and clients.

    + used: every network and address of the inventory; the clients' network has none of them.
    """
    peerings = [peering for spec in specs for peering in spec.peerings]
    if not peerings:
        return (), None
    found = list(_routers(specs, bridges))
    if len(found) > ROUTERS_MAX:
        raise LabError(f"{len(found)} routers; the lab can have {ROUTERS_MAX}.")
    six = any(":" in address for each in peerings for address in (each.router, *each.vips))
    networks = [_free(version, used) for version in ((4, 6) if six else (4,))]
    routers = []
    for number, addresses in enumerate(found, start=1):
        name, netns = f"router{number}", f"{tag}.router{number}"
        inside = [_with_prefix(address, bridges) for address in addresses]
        outside = [f"{each[GATEWAY_HOST + number]}/{each.prefixlen}" for each in networks]
        bridge = bridges[_network(addresses[0], bridges)]
        peers = tuple(each for each in peerings if each.router in addresses)
        cards = tuple(
            Card(
                interface=interface,
                addresses=tuple(own),
                bridge=to,
                port=f"r{number}_{interface}",
                mac=mac_of(f"{netns}/{interface}"),
            )
            for interface, own, to in (
                (TO_NODES, inside, bridge),
                (TO_CLIENTS, outside, CLIENT_BRIDGE),
            )
        )
        routers.append(
            LabRouter(
                name=name,
                netns=netns,
                asn=peers[0].router_asn,
                addresses=tuple(inside),
                peers=peers,
                bridge=bridge,
                cards=cards,
            )
        )
    asns = {asn for each in peerings for asn in (each.asn, each.router_asn)}
    return tuple(routers), ClientNetwork(
        bridge=CLIENT_BRIDGE,
        asn=next(asn for asn in DOCUMENTATION_ASNS if asn not in asns),
        gateway_addresses=tuple(f"{each[GATEWAY_HOST]}/{each.prefixlen}" for each in networks),
        sources=tuple(
            str(each[FIRST_CLIENT + number]) for each in networks for number in range(CLIENTS)
        ),
    )


def _routers(specs: Iterable[MachineSpec], bridges: Mapping[Network, str]) -> Iterator[list[str]]:
    """The addresses of each router.

    A machine's first IPv4 address and its first IPv6 address of routers are one router's if they
    are in one network (a bridge) and have one ASN; so are the second ones.
    """
    known: dict[str, list[str]] = {}
    for spec in specs:
        four = [each for each in spec.peerings if ":" not in each.router]
        six = [each for each in spec.peerings if ":" in each.router]
        for one, other in zip_longest(four, six):
            if one and other and _same(one, other, bridges):
                group = known.setdefault(one.router, [one.router])
                if len(group) == 1 and other.router not in known:
                    group.append(other.router)
                    known[other.router] = group
            for each in filter(None, (one, other)):
                known.setdefault(each.router, [each.router])
    yield from {id(group): group for group in known.values()}.values()


def _same(one: Peering, other: Peering, bridges: Mapping[Network, str]) -> bool:
    places = {bridges[_network(each.router, bridges)] for each in (one, other)}
    return one.router_asn == other.router_asn and len(places) == 1


def _network(address: str, bridges: Mapping[Network, str]) -> Network:
    """The machines' network that a router is in. Raises `LabError` if it is in none."""
    for network in bridges:
        if ip_address(address) in network:
            return network
    raise LabError(f"The router {address} is in no network of the machines.")


def _with_prefix(address: str, bridges: Mapping[Network, str]) -> str:
    return f"{address}/{_network(address, bridges).prefixlen}"


def _free(version: int, used: Iterable[Network]) -> Network:
    """A network for the clients that has nothing of the inventory's in it."""
    whole, prefix = CLIENT_RANGES[version]
    taken = [each for each in used if each.version == version]
    for network in ip_network(whole).subnets(new_prefix=prefix):
        if not any(network.overlaps(each) for each in taken):
            return network
    raise LabError(f"{whole} has no network left for the lab's clients.")
