"""What may be a router's address: text, and nobody else's."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Any

from settings.values import Remedy

ROUTER_ADDRESS_IS = 'the router\'s address towards this machine, "10.1.0.1" or "fd61:1::1"'
# RFC 1122: of a machine that does not know its own yet.
_THIS_NETWORK = IPv4Network("0.0.0.0/8")


def router_address(given: Any) -> IPv4Address | IPv6Address:
    """The address that somebody has given. Raises `Remedy`."""
    if isinstance(given, IPv4Address | IPv6Address):
        given = str(given)
    if not isinstance(given, str):
        raise Remedy(f"give it as text, in quotes: {ROUTER_ADDRESS_IS}")
    plain = re.sub(r"(%[^/]*)?(/.*)?$", "", given.strip(), flags=re.DOTALL)
    try:
        address = ip_address(plain)
    except ValueError:
        raise Remedy(f"give {ROUTER_ADDRESS_IS}") from None
    if address.version == 6 and (mapped := address.ipv4_mapped):
        address = _of_somebody(mapped)
        raise Remedy(f"this is IPv4's address, as IPv6 writes it: give {address}")
    _of_somebody(address)
    if plain != given:
        raise Remedy(f"give the address alone: {address}")
    return address


def _of_somebody(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if address.is_link_local:
        raise Remedy("every wire may have this address: give another one of the router's")
    nobodys = address.is_multicast or address.is_unspecified or address.is_loopback
    if nobodys or address.is_reserved or (address.version == 4 and address in _THIS_NETWORK):
        raise Remedy("no router has this address: give the one that it has towards this machine")
    return address
