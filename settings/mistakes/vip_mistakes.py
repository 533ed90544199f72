"""What cannot work about the VIPs as one machine has to carry them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from settings.mistakes.mistake import Mistake
from settings.node import Interface, Node

# What may be the prefix of a network with machines in it; /64 is what all of them have.
PREFIXES6 = range(48, 128)


def mistakes(node: Node) -> Iterator[Mistake]:
    """VIPs outside the machine's networks, labels and router numbers that do not suffice."""
    wrong = partial(Mistake.of, node)
    if len(node.label) > 15 or not node.label.startswith(f"{node.interface}:"):
        yield wrong("label", f'give "{node.interface}:" and more, 15 characters at the most')
    for setting, vip in node.vip_settings:
        yield from _of_vip(node, setting, vip)
    if node.vip6 and node.vip.version == 6:
        yield wrong("vip6", "vip is an IPv6 address already: leave it None")
    more = len(node.more_vips)
    if node.virtual_router_id + more > 255:
        yield wrong(
            "virtual_router_id", f"more_vips take the numbers after it: give {255 - more} or less"
        )
    if node.label in {f"{node.interface}:{number}" for number in range(1, more + 1)}:
        yield wrong("label", "one of more_vips has it: give another")


def _of_vip(node: Node, setting: str, vip: Interface) -> Iterator[Mistake]:
    """What is wrong with one VIP, which `setting` has set."""
    wrong = partial(Mistake, node.name, setting, vip)
    network = vip.network
    own = node.address if vip.version == 4 else node.address6
    if vip.version == 6 and node.classic and setting != "vip6":
        yield wrong("VRRPv2 has IPv4 addresses only; give one, or vrrp_version = 3")
    if own is None:
        remedy = f"{setting} is an IPv6 address: give this machine's own in {network}"
        yield Mistake(node.name, "address6", None, remedy)
    elif own not in network:
        yield wrong(f"its network {network} does not contain the address {own}")
    if vip.version == 6 and network.prefixlen not in PREFIXES6:
        # IPv4's, or none at all: no network of machines is so large, or so small.
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
