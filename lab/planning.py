"""Derives the plan of a lab from the inventory: names, addresses, cables. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from itertools import chain
from pathlib import Path

from lab import router_planning
from lab.errors import LabError
from lab.plan import BRIDGE, Card, LabMachine, LabNetwork, LabPlan, MachineSpec, mac_of, tag_of

# Names by which every machine means itself.
LOCAL = ("localhost", "localhost.localdomain", "")
NAME_LENGTH_MAX = 15  # IFNAMSIZ less its final zero

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network


def make_plan(checkout: Path, inventory: str, specs: Sequence[MachineSpec]) -> LabPlan:
    """Choose addresses and names for the machines of an inventory and for the gateway."""
    tag = tag_of(checkout)
    gateways = _gateways(specs)
    bridges = _bridges(specs)
    slugs = _slugs(specs)
    machines = tuple(
        LabMachine(
            **vars(spec),
            gateway=str(gateways[ip_network(spec.network)].ip),
            slug=slugs[spec.name],
            netns=f"{tag}-{slugs[spec.name]}",
            cards=tuple(_cards(tag, spec, index, bridges, gateways)),
        )
        for index, spec in enumerate(specs)
    )
    taken = _addresses(specs) | {gateway.ip for gateway in gateways.values()}
    servers = {server: _parsed(server) for server in _servers(specs)}
    elsewhere = [
        ip_interface(address)
        for address in servers.values()
        if address and address not in taken and not address.is_loopback
    ]
    used = [*bridges, *(ip_network(one) for one in {*taken, *servers.values()} if one)]
    routers, clients = router_planning.routers_and_clients(tag, specs, bridges, used)
    names: dict[str, str] = {}
    for name, address in (
        *((machine.name, machine.address) for machine in machines),
        *((machine.ssh_hostname, machine.address) for machine in machines),
        *((server, machines[0].gateway) for server in servers),
        # nginx does not start where it cannot resolve one.
        *((name, machines[0].gateway) for name in _upstream_names(specs)),
    ):
        names.setdefault(name, address)
    return LabPlan(
        tag=tag,
        inventory=inventory,
        machines=machines,
        networks=_lab_networks(bridges, gateways, elsewhere),
        host_names=tuple(pair for pair in names.items() if not _parsed(pair[0])),
        routers=routers,
        client_network=clients,
    )


def slug(name: str) -> str:
    """`name` without the characters that a path or a namespace's name must not contain."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", name).strip(".-") or "machine"


def _slugs(specs: Iterable[MachineSpec]) -> dict[str, str]:
    slugs: dict[str, str] = {}
    for spec in specs:
        plain = slug(spec.name)
        slugs[spec.name] = f"{plain}-{len(slugs)}" if plain in slugs.values() else plain
    return slugs


def _servers(specs: Iterable[MachineSpec]) -> list[str]:
    """The time and mail servers that the gateway replaces, each once."""
    servers = [server for spec in specs for server in (spec.ntp_server, spec.smtp_server)]
    return [server for server in dict.fromkeys(servers) if server not in LOCAL]


def _upstream_names(specs: Iterable[MachineSpec]) -> list[str]:
    """The upstreams' host names, each once."""
    hosts = (server.rpartition(":")[0].strip("[]") for spec in specs for server in spec.upstreams)
    return [host for host in dict.fromkeys(hosts) if host not in LOCAL]


def _addresses(specs: Iterable[MachineSpec]) -> set[Address | None]:
    """The machines' own addresses, their VIPs, and their routers' addresses."""
    texts = []
    for spec in specs:
        own = [spec.address6, *chain(*(addresses for _, addresses in spec.more_interfaces))]
        texts += [spec.address, *spec.vips, *(address.partition("/")[0] for address in own)]
        texts += [peering.router for peering in spec.peerings]
    return set(map(_parsed, texts))


def _gateways(specs: Sequence[MachineSpec]) -> dict[Network, Interface]:
    """The gateway's address per network: that of a time or mail server in it, else a free one."""
    taken = _addresses(specs)
    servers = [address for server in _servers(specs) if (address := _parsed(server))]
    gateways: dict[Network, Interface] = {}
    for network in _bridges(specs):
        # hosts() is lazy: a /8 costs nothing.
        candidates = chain((one for one in servers if one in network), network.hosts())
        chosen = next((address for address in candidates if address not in taken), None)
        if chosen is None:
            raise LabError(
                f"{network} has no address left for the lab's gateway, the router there."
            )
        gateways[network] = ip_interface((chosen, network.prefixlen))
    return gateways


def _bridges(specs: Sequence[MachineSpec]) -> dict[Network, str]:
    """The bridge of each network: one for all first cards, one for each network beside them."""
    networks = [ip_network(spec.network) for spec in specs]
    networks += [ip_interface(spec.address6).network for spec in specs if spec.address6]
    bridges: dict[Network, str] = dict.fromkeys(networks, BRIDGE)
    for spec in specs:
        for _, addresses in spec.more_interfaces:
            mine = [ip_interface(address).network for address in addresses]
            new = f"{BRIDGE}{len(set(bridges.values())) + 1}"
            bridge = next((bridges[network] for network in mine if network in bridges), new)
            bridges |= dict.fromkeys(mine, bridge)
    return bridges


def _cards(
    tag: str,
    spec: MachineSpec,
    index: int,
    bridges: Mapping[Network, str],
    gateways: Mapping[Network, Interface],
) -> Iterator[Card]:
    own = [f"{spec.address}/{ip_network(spec.network).prefixlen}"]
    own += [spec.address6] if spec.address6 else []
    yield Card(
        interface=spec.interface,
        addresses=tuple(own),
        bridge=BRIDGE,
        port=_port(spec.name, f"port{index}"),
        mac=mac_of(f"{tag}/{spec.name}"),
        routers=tuple(str(gateways[ip_interface(address).network].ip) for address in own),
    )
    for number, (name, addresses) in enumerate(spec.more_interfaces, start=2):
        yield Card(
            interface=name,
            addresses=addresses,
            bridge=bridges[ip_interface(addresses[0]).network],
            # No machine can have the name.
            port=_port(f"{spec.name}+{name}", f"port{index}+{number}"),
            mac=mac_of(f"{tag}/{spec.name}/{name}"),
        )


def _lab_networks(
    bridges: Mapping[Network, str],
    gateways: Mapping[Network, Interface],
    elsewhere: Iterable[Interface],
) -> tuple[LabNetwork, ...]:
    """`elsewhere`: what else is the gateway's, in no machine's network."""
    by_bridge: dict[str, list[str]] = {}
    for network, bridge in bridges.items():
        by_bridge.setdefault(bridge, []).append(str(gateways[network]))
    by_bridge[BRIDGE] += map(str, elsewhere)
    return tuple(LabNetwork(bridge, tuple(found)) for bridge, found in by_bridge.items())


def _parsed(text: str) -> Address | None:
    """The address that `text` is; None for a name."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _port(name: str, numbered: str) -> str:
    """The machine's own name where the kernel accepts it, for a readable `ip link`."""
    fits = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", name) and len(name) <= NAME_LENGTH_MAX
    others = rf"{BRIDGE}\d*|lo|all|default"
    return name if fits and not re.fullmatch(others, name) else numbered
