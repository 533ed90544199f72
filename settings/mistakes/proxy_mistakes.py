"""What cannot work about the reverse proxy: upstreams, what is proxied to them, the cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.serving.proxy import OWN_PATHS, Upstream
from settings.values import UNREAD, judged


def _upstreams(node: Node) -> Iterator[Mistake]:
    for upstream in node.upstreams:
        for part in (_twice, _backups):
            for value, remedy in judged(part(upstream)):
                yield Mistake(node.name, f"upstreams[{upstream.name}]", value, remedy)


def _locations(node: Node) -> Iterator[Mistake]:
    """Upstreams that are not there."""
    known = {upstream.name for upstream in node.upstreams}
    for location in node.proxy:
        if location.upstream is not UNREAD and location.upstream not in known:
            names = ", ".join(sorted(known)) or 'none; set `upstreams`, {"NAME": {"servers": […]}}'
            remedy = f"there is no such upstream; there are {names}"
            yield Mistake(node.name, f"proxy[{location.path}]", location.upstream, remedy)


def _paths(node: Node) -> Iterator[Mistake]:
    """Paths that are Tandem's own."""
    for location in node.proxy:
        if location.path is not UNREAD and location.path in OWN_PATHS:
            remedy = "Tandem answers this path itself; give another"
            yield Mistake(node.name, f"proxy[{location.path}]", location.path, remedy)


def _cache_path(node: Node) -> Iterator[Mistake]:
    cache = node.cache
    if cache and cache.path.split("/")[:4] == ["", "var", "cache", "tandem"]:
        remedy = "Tandem keeps builds there; give another directory"
        yield Mistake(node.name, "cache.path", cache.path, remedy)


def _cache_in_vain(node: Node) -> Iterator[Mistake]:
    cache = node.cache
    if cache and not any(location.cache for location in node.proxy):
        remedy = "nothing is proxied through it: set `proxy`, or cache = None"
        yield Mistake(node.name, "cache", cache.path, remedy)


def _twice(upstream: Upstream) -> Iterator[tuple[str, str]]:
    """What is wrong between its values, and what would be right."""
    counts = Counter(server.address for server in upstream.servers)
    for address in sorted(address for address, count in counts.items() if count > 1):
        yield f"{address} twice", "name each server once; `weight` gives it more"


def _backups(upstream: Upstream) -> Iterator[tuple[str, str]]:
    """Likewise."""
    if all(server.backup for server in upstream.servers):
        yield "only backups", "a backup is for when others fail: leave one without `backup`"
    if upstream.balance == "ip_hash" and any(server.backup for server in upstream.servers):
        yield "ip_hash with a backup", "ip_hash knows no backups; use another `balance`"


PARTS = (_upstreams, _locations, _paths, _cache_path, _cache_in_vain)
