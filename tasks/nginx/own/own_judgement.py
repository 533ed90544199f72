"""All that is wrong with a person's pieces and that no machine has to be asked for."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Mistake, Node
from tasks.nginx import nginx_files
from tasks.nginx.own import refusals, right_levels
from tasks.nginx.own.own_files import OwnFiles


def mistakes(node: Node, own: OwnFiles) -> Iterator[Mistake]:
    """All of it, for the pieces of one machine."""
    yield from right_levels.mistakes(node, own)
    yield from refusals.upstreams_of_both(node, own)
    yield from refusals.taken(node, own, nginx_files.servers(node))
