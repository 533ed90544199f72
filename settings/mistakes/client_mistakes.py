"""What cannot work about clients: their limits, and who may speak for them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.values import UNREAD

# The shortest prefixes of networks that may be somebody's own: 10.0.0.0/8, and fc00::/7.
WIDEST = {4: 8, 6: 7}
LOOPBACK = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}


def _nothing(node: Node) -> Iterator[Mistake]:
    limits = node.client_limits
    if limits and not (limits.connections or limits.requests_per_s or limits.new_connections_per_s):
        remedy = "give connections, requests_per_s or new_connections_per_s; None for no limit"
        yield Mistake(node.name, "client_limits", "no limit", remedy)


def _burst_of_nothing(node: Node) -> Iterator[Mistake]:
    limits = node.client_limits
    if limits and limits.burst and not limits.requests_per_s:
        remedy = "it is ahead of a rate: give requests_per_s as well, or no burst"
        yield Mistake(node.name, "client_limits.burst", limits.burst, remedy)


def _trusted(node: Node) -> Iterator[Mistake]:
    """Whom nobody should believe about clients."""
    for network in node.trusted_networks:
        if remedy := _not_to_be_trusted(node, network):
            yield Mistake(node.name, "trusted_proxies", str(network), remedy)


def _not_to_be_trusted(node: Node, network: IPv4Network | IPv6Network) -> str:
    """Why not, "" if it may well be."""
    if network.prefixlen < WIDEST[network.version]:
        everybody = "everybody" if not network.prefixlen else "a great part of the internet"
        return (
            f"this is {everybody}, and who is trusted may take any client's address for itself: "
            "name the proxies in front, or their networks"
        )
    if network.overlaps(LOOPBACK[network.version]):
        return "this is the machine itself, which asks from there: name the proxies in front"
    if network.prefixlen == network.max_prefixlen:
        own = [vip.ip for _, vip in node.vip_settings]
        own += [each for each in node.own_addresses if each is not UNREAD]
        if network.network_address in own:
            return "this is the cluster's own, and nobody in front: name the proxies in front"
    return ""


def _proxy_protocol(node: Node) -> Iterator[Mistake]:
    if node.proxy_protocol and not node.trusted_proxies:
        remedy = "say whose word about clients counts: set trusted_proxies as well, or False"
        yield Mistake.of(node, "proxy_protocol", remedy)


PARTS = (_nothing, _burst_of_nothing, _trusted, _proxy_protocol)
