"""All that is wrong with a person's pieces and that no machine has to be asked for."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Mistake, Node
from tasks.nginx import nginx_files
from tasks.nginx.own import asked_modules, clashes, refusals, right_levels
from tasks.nginx.own.own_files import OwnFiles


def mistakes(node: Node, own: OwnFiles) -> Iterator[Mistake]:
    """All of it, for the pieces of one machine."""
    yield from right_levels.mistakes(node, own)
    yield from asked_modules.mistakes(node, own)
    yield from refusals.upstreams_of_both(node, own)
    yield from refusals.names_of_files(node, own)
    yield from refusals.both_families(node, own)
    ours = nginx_files.nginx_conf(node, 1, "", nginx_files.Beside(own.directories))
    sites = nginx_files.site_files(node, own.directories)
    yield from refusals.taken(node, own, {"nginx.conf": ours, **sites})
    yield from clashes.mistakes(node, own, [ours, nginx_files.upstreams_conf(node)], sites)
