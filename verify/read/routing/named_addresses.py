"""Which addresses a text names, whoever has written it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

# Not within a longer address or a word.
_WHOLE = re.compile(
    r"((?<![\w.])\d{1,3}(?:\.\d{1,3}){3}"
    r"|(?<![\w.:])[\da-fA-F]{0,4}(?:::?[\da-fA-F]{1,4}){1,7})"
    r"(?!\w|[.:]+[\da-fA-F])(/?)"
)


def named(text: str) -> frozenset[IPv4Address | IPv6Address]:
    """All whole addresses in it; those of networks (10.1.0.0/24) are none."""
    return frozenset(address for address, prefixed in _found(text) if not prefixed)


def is_in(text: str, address: IPv4Address | IPv6Address) -> bool:
    """Whether it has that address in it, however it is spelled, and with or without a prefix."""
    return any(found == address for found, _ in _found(text))


def _found(text: str) -> Iterator[tuple[IPv4Address | IPv6Address, bool]]:
    """Each address, and whether a prefix follows it."""
    for word, prefixed in _WHOLE.findall(text):
        try:
            yield ip_address(word), bool(prefixed)
        except ValueError:  # a time, 23:44:56
            continue
