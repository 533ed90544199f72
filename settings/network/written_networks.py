"""Networks as people write them, and how they have to be written."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import (
    IPv4Network,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
    summarize_address_range,
)

from settings.values import Remedy, ipv4_within

# What stands for everybody in other programs.
_EVERYBODY = ("all", "any", "*", "everybody")
_LIKE = 'an address or a network, like "10.0.0.5", "10.0.0.0/8" or "fd00:1::/64"'
# More would not be written by hand.
_MOST = 8


def network_in(value: str) -> IPv4Network | IPv6Network:
    """`value` as a network. Raises `Remedy`."""
    if "%" in value:  # a zone, which may be any text
        raise Remedy(f"give {_LIKE}, without a zone (%)")
    try:
        return ip_network(value)
    except ValueError:
        raise Remedy(_right(value.strip())) from None


def _right(value: str) -> str:
    if value.lower() in _EVERYBODY:
        return 'everybody is written "0.0.0.0/0" and "::/0"; others are named by their networks'
    with suppress(ValueError):
        return f'write it without a space: "{ip_network(value)}"'
    try:
        with_bits = ip_interface(value)
    except ValueError:
        return _right_range(value)
    network, address = with_bits.network, with_bits.ip
    return f'it has host bits set: give "{network}" for the network, or "{address}" for the one'


def _right_range(value: str) -> str:
    """What a range, 10.0.0.1-10.0.0.9, is in networks."""
    first, _, last = value.partition("-")
    try:
        found = [*summarize_address_range(ip_address(first.strip()), ip_address(last.strip()))]
    except (ValueError, TypeError):
        return _right_name(value)
    if len(found) > _MOST:
        return f"a range is given as the networks that it is made of; give {_LIKE}"
    networks = ", ".join(
        f'"{each.network_address if each.num_addresses == 1 else each}"' for each in found
    )
    return f"a range is given as the networks that it is made of: {networks}"


def _right_name(value: str) -> str:
    letters = any(one.isalpha() for one in value) and ":" not in value
    names = "nginx looks up no names here: " if letters else ""
    return f"{names}give {_LIKE}"


def network4(value: object) -> object:
    """A text as a network of IPv4, anything else as it is; but for what ipaddress takes for an
    address, as 5 for 0.0.0.5. Raises `Remedy`, or ValueError."""
    if isinstance(value, int | bytes):
        raise ValueError("no text")
    if not isinstance(value, str):
        return value
    found = network_in(value)
    if plain := ipv4_within(found):
        raise Remedy(f"a client of IPv4 never comes from there: give {plain}")
    if isinstance(found, IPv6Network):
        raise Remedy('give an IPv4 address or network, like "10.0.0.5" or "10.1.0.0/24"')
    return found
