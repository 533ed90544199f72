"""What cannot work about the VIPs as one machine has to carry them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from settings.cluster import LONGEST_LABEL, Cluster, carrier
from settings.mistakes import routed_mistakes
from settings.mistakes.mistake import Bars, Mistake
from settings.mistakes.routers import router_mistakes
from settings.network.network_settings import NodeInterface
from settings.node import Node
from settings.values import Interface, judged

# What may be the prefix of a network with machines in it; /64 is what all of them have.
PREFIXES6 = range(48, 128)
# Interfaces of a machine, each with its addresses.
Carried = Mapping[str, Sequence[Interface]]


def _label(node: Node) -> Iterator[Mistake]:
    if not node.label or node.routed:
        return
    if len(node.label) > LONGEST_LABEL or not node.label.startswith(f"{node.interface}:"):
        remedy = f'"{node.interface}:" and more, {LONGEST_LABEL} characters at the most'
        fits = len(node.interface) + 2 <= LONGEST_LABEL
        remedy = f"give {remedy}" if fits else "no label fits behind so long an interface"
        yield Mistake.of(node, "label", f"{remedy}; or leave it None")


def _vips(node: Node) -> Iterator[Mistake]:
    for setting, vip in node.vip_settings:
        for part in (_of_other_protocol, _without_own_address, _of_no_machine):
            yield from judged(part(node, setting, vip))


def _both(node: Node) -> Iterator[Mistake]:
    if node.vip6 and node.vip.version == 6:
        yield Mistake.of(node, "vip6", "vip is an IPv6 address already: leave it None")


def _router_ids(node: Node) -> Iterator[Mistake]:
    more = len(node.more_vips)
    if node.virtual_router_id + more > 255:
        remedy = f"more_vips take the numbers after it: give {255 - more} or less"
        yield Mistake.of(node, "virtual_router_id", remedy)


def _label_of_more(node: Node) -> Iterator[Mistake]:
    labels = {
        f"{carrier(node, vip).name}:{number}" for number, (vip, _) in enumerate(node.more_vips, 1)
    }
    if node.label in labels:
        yield Mistake.of(node, "label", "one of more_vips has it: give another")


def _more_interfaces(node: Node) -> Iterator[Mistake]:
    names = [interface.name for interface in node.interfaces]
    used = {carrier(node, vip).name for setting, vip in node.vip_settings}
    for name, addresses in node.more_interfaces:
        wrong = partial(Mistake, node.name, "more_interfaces", name)
        if names.count(name) > 1:
            yield wrong("this is `interface` already: leave it out")
        elif len({address.version for address in addresses}) < len(addresses):
            yield wrong("give one IPv4 address, and one IPv6 address at the most")
        # (Where the routers of a routed cluster are, its networks' prefixes say: of the machine.)
        elif not node.routed and name not in used and name != node.vrrp_interface:
            own = ", ".join(map(str, addresses))
            yield wrong(
                f"no VIP of more_vips is in a network with {own}, and it is not vrrp_interface: "
                "leave it out"
            )


def _vrrp_interface(node: Node) -> Iterator[Mistake]:
    if node.vrrp_interface is None or node.routed:
        return
    wrong = partial(Mistake.of, node, "vrrp_interface")
    spoken = {vip.version for setting, vip in node.vip_settings if setting != "vip6"}
    names = [interface.name for interface in node.interfaces]
    if node.vrrp_interface not in names:
        yield wrong(
            f"give {', '.join(names)}, or name it in more_interfaces, with this machine's own "
            "address there"
        )
        return
    for version in sorted(spoken):
        if node.vrrp.own(version) is None:
            yield wrong(
                f"VRRP for an IPv{version} VIP needs this machine's own IPv{version} address there"
            )


def _of_other_protocol(node: Node, setting: str, vip: Interface) -> Iterator[Mistake]:
    if vip.version == 6 and setting != "vip6" and node.classic:
        remedy = "VRRPv2 has IPv4 addresses only; give one, or vrrp_version = 3"
        yield Mistake(node.name, setting, vip, remedy)


def _without_own_address(node: Node, setting: str, vip: Interface) -> Iterator[Mistake]:
    network = vip.network
    own = (carrier(node, vip) if setting == "more_vips" else node.interfaces[0]).own(vip.version)
    single = network.num_addresses == 1
    if own is None:
        where = "" if single else f" in {network}"
        remedy = f"{setting} is an IPv6 address: give this machine's own{where}"
        yield Mistake(node.name, "address6", None, remedy)
    elif own not in network and not single and not node.routed:
        remedy = (
            f"its network {network} does not contain the address {own}; where a router sends what "
            f"is for it to these machines, give {vip.ip}/{vip.max_prefixlen}"
        )
        if setting == "more_vips":
            remedy += "; if it is on another interface, give that in more_interfaces"
        yield Mistake(node.name, setting, vip, remedy)


def _of_no_machine(node: Node, setting: str, vip: Interface) -> Iterator[Mistake]:
    """Prefixes and addresses that no machine can have."""
    wrong = partial(Mistake, node.name, setting, vip)
    network = vip.network
    if vip.version == 6 and network.prefixlen not in (*PREFIXES6, 128):
        # IPv4's, most likely: no network of machines is so large.
        yield wrong(
            f"/{network.prefixlen} is no IPv6 network's prefix; give that of the machines' "
            f"network, {PREFIXES6[0]} to {PREFIXES6[-1]}, usually {vip.ip}/64"
        )
    reserved = {network.network_address}
    if vip.version == 4:
        reserved.add(network.broadcast_address)
    if network.prefixlen < vip.max_prefixlen - 1 and vip.ip in reserved:
        what = "network's or the broadcast" if vip.version == 4 else "routers' anycast"
        yield wrong(f"this is the {what} address of {network}")


def of_machine(node: Node, carried: Carried) -> Iterator[Mistake]:
    """What is wrong with the machine's interfaces, and with the addresses there.

    + carried: each interface that the machine has, with its addresses.
    """
    for number, interface in enumerate(node.interfaces):
        if interface.name not in carried:
            setting = "more_interfaces" if number else "interface"
            there = ", ".join(name for name in carried if name != "lo")
            remedy = f"this machine has no such interface; it has {there}"
            yield Mistake(node.name, setting, interface.name, remedy)
        else:
            first = ("address", "address6")
            settings = ("more_interfaces", "more_interfaces") if number else first
            yield from _of_own_addresses(node, interface, settings, carried[interface.name])
    yield from of_networks(node, carried)
    if node.routed:
        yield from router_mistakes.of_machine(node, carried)


def of_networks(node: Node, carried: Carried) -> Iterator[Mistake]:
    """VIPs with another prefix than that of the machine's own network; in a routed cluster, those
    that are in one."""
    if node.routed:
        yield from routed_mistakes.of_networks(node, carried)
        return
    for setting, vip in node.vip_settings:
        interface = carrier(node, vip) if setting == "more_vips" else node.interfaces[0]
        if interface.name in carried:
            yield from _of_other_network(node, setting, vip, interface, carried[interface.name])


def of_hearing(node: Node, cluster: Cluster, carried: Carried) -> Iterator[Mistake]:
    """Machines of the cluster that this one would not hear: an advert passes no router."""
    if cluster.routed:
        return
    for vrrp in cluster.vips:
        mine = vrrp.view_of(node)
        there = carried.get(mine.vrrp.name, ())
        networks = [found.network for found in there if found.ip == mine.speaks_from]
        # A single address (/32) says of its network nothing.
        if not networks or networks[0].num_addresses == 1:
            continue
        far = [peer for peer in vrrp.peers(node) if peer.speaks_from not in networks[0]]
        for peer in far:
            setting = "vrrp_interface" if node.vrrp_interface else "interface"
            remedy = (
                f"it has {mine.speaks_from} in {networks[0]}, and {peer.name} would send its "
                f"adverts from {peer.speaks_from}: they pass no router. "
                "Give the machines addresses of one network there"
            )
            yield Mistake(node.name, setting, mine.vrrp.name, remedy, Bars.DEPLOY)


def _of_own_addresses(
    node: Node, interface: NodeInterface, settings: Sequence[str], carried: Sequence[Interface]
) -> Iterator[Mistake]:
    """Own addresses that the machine has not."""
    here = [found.ip for found in carried]
    for setting, wanted in zip(settings, (interface.address, interface.address6), strict=True):
        if wanted is not None and wanted not in here:
            same = ", ".join(str(found) for found in here if found.version == wanted.version)
            has = same or f"no IPv{wanted.version} address"
            yield Mistake(node.name, setting, str(wanted), f"{interface.name} has {has}")


def _of_other_network(
    node: Node, setting: str, vip: Interface, interface: NodeInterface, carried: Sequence[Interface]
) -> Iterator[Mistake]:
    """The kernel gives its holder a route for the VIP's network, with the VIP as the source: what
    is behind a router is then looked for on the wire."""
    vips = {each.ip for _, each in node.vip_settings}
    networks = {
        found.network: found
        for found in carried
        if found.version == vip.version and found.ip not in vips
    }
    # A single address (/32) brings no route, and says of its network nothing.
    whole = [network for network in networks if network.num_addresses > 1]
    if vip.network.num_addresses == 1 or not whole or vip.network in whole:
        return
    own = interface.own(vip.version)
    network = next((each for each in whole if own in each), None)
    if network is None:
        return
    right = (
        f"give {vip.ip}/{network.prefixlen}"
        if vip.ip in network
        else f"give an address of {network}, with /{network.prefixlen}"
    )
    remedy = (
        f"{interface.name} has {networks[network]}: {right}. Its holder would look for all of "
        f"{vip.network} on its own wire"
    )
    yield Mistake(node.name, setting, vip, remedy)


PARTS = (
    *(_label, _vips, _both, _router_ids, _label_of_more),
    *(_more_interfaces, _vrrp_interface),
)
