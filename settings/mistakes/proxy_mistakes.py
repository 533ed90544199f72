"""What cannot work about the reverse proxy: upstreams, what is proxied to them, the cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.proxy import OWN_PATHS, Upstream


def mistakes(node: Node) -> Iterator[Mistake]:
    """Upstreams that are not there, paths that are Tandem's own, a cache that keeps nothing."""
    wrong = partial(Mistake, node.name)
    for upstream in node.upstreams:
        for value, remedy in _in_upstream(upstream):
            yield wrong(f"upstreams[{upstream.name}]", value, remedy)
    known = {upstream.name for upstream in node.upstreams}
    for location in node.proxy:
        setting = f"proxy[{location.path}]"
        if location.upstream not in known:
            names = ", ".join(sorted(known)) or 'none; set `upstreams`, {"NAME": {"servers": […]}}'
            remedy = f"there is no such upstream; there are {names}"
            yield wrong(setting, location.upstream, remedy)
        if location.path in OWN_PATHS:
            yield wrong(setting, location.path, "Tandem answers this path itself; give another")
    if not (cache := node.cache):
        return
    if cache.path.split("/")[:4] == ["", "var", "cache", "tandem"]:
        yield wrong("cache.path", cache.path, "Tandem keeps builds there; give another directory")
    if not any(location.cache for location in node.proxy):
        remedy = "nothing is proxied through it: set `proxy`, or cache = None"
        yield wrong("cache", cache.path, remedy)


def _in_upstream(upstream: Upstream) -> Iterator[tuple[str, str]]:
    """What is wrong between its values, and what would be right."""
    counts = Counter(server.address for server in upstream.servers)
    for address in sorted(address for address, count in counts.items() if count > 1):
        yield f"{address} twice", "name each server once; `weight` gives it more"
    if all(server.backup for server in upstream.servers):
        yield "only backups", "a backup is for when others fail: leave one without `backup`"
    if upstream.balance == "ip_hash" and any(server.backup for server in upstream.servers):
        yield "ip_hash with a backup", "ip_hash knows no backups; use another `balance`"
