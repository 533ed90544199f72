"""Whom nginx believes about its clients, beside the settings."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Node
from verify.read.blocks import Block

# What says which of the addresses that they name is the client's.
RULES = {"real_ip_header": "X-Forwarded-For", "real_ip_recursive": "on"}


def believed_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with it."""
    believed = {each.words[1] for each in root.every("http", "set_real_ip_from")}
    wanted = set(map(str, node.trusted_networks))
    yield from (f"believes {extra} about clients, too" for extra in sorted(believed - wanted))
    yield from (f"does not believe {missing}" for missing in sorted(wanted - believed))
    for name, rule in RULES.items():
        right = rule if wanted else ""
        if (found := root.last("http", name)) != right:
            yield f"{name} is {found or 'not set'}, not {right or 'unset'}"
