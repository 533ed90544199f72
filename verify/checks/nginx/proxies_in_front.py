"""Whom nginx believes about its clients, beside the settings."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Node
from verify.read.blocks import Block

# What says which address is the client's: of those in a header, and in PROXY protocol.
IN_HEADER = {"real_ip_header": "X-Forwarded-For", "real_ip_recursive": "on"}
SPOKEN = {"real_ip_header": "proxy_protocol", "real_ip_recursive": ""}


def believed_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with it."""
    believed = {each.words[1] for each in root.every("http", "set_real_ip_from")}
    wanted = set(map(str, node.trusted_networks))
    yield from (f"believes {extra} about clients, too" for extra in sorted(believed - wanted))
    yield from (f"does not believe {missing}" for missing in sorted(wanted - believed))
    for name, rule in (SPOKEN if node.proxy_protocol else IN_HEADER).items():
        right = rule if wanted else ""
        if (found := root.last("http", name)) != right:
            yield f"{name} is {found or 'not set'}, not {right or 'unset'}"
    for listen in root.every("http", "server", "listen"):
        for_anybody = listen.words[1].removeprefix("[::]:").isdigit()
        expected = node.proxy_protocol and for_anybody
        if ("proxy_protocol" in listen.words) != expected:
            yield f"{'no ' if expected else ''}PROXY protocol on {listen.words[1]}"
