"""Which addresses a text names, whoever has written it. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

# Neither within a longer address or a word, nor a network's.
_ENDS = r"(?![\w/]|[.:]+[\da-fA-F])"
_ADDRESS = re.compile(
    rf"(?<![\w.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}{_ENDS}"
    rf"|(?<![\w.:])[\da-fA-F]{{0,4}}(?:::?[\da-fA-F]{{1,4}}){{1,7}}{_ENDS}"
)


def named(text: str) -> frozenset[IPv4Address | IPv6Address]:
    """All whole addresses in it; those of networks (10.1.0.0/24) are none."""
    found = set()
    for word in _ADDRESS.findall(text):
        try:
            found.add(ip_address(word))
        except ValueError:  # a time, 23:44:56
            continue
    return frozenset(found)
