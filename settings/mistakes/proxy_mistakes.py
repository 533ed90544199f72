"""What cannot work about the reverse proxy: upstreams, what is proxied to them, the cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from settings import nginx_paths
from settings.mistakes.content_mistakes import unreadable
from settings.mistakes.mistake import Bars, Mistake
from settings.node import Node
from settings.serving.named import as_upstream
from settings.serving.proxy import OWN_PATHS, Server, Upstream, UpstreamTls, tls_name
from settings.values import UNREAD, alike, is_address, judged, local_path


def _upstreams(node: Node) -> Iterator[Mistake]:
    for upstream in node.upstreams:
        for part in (twice(upstream.servers), _backups(upstream)):
            for value, remedy in judged(part):
                yield Mistake(node.name, f"upstreams[{upstream.name}]", value, remedy)


def _locations(node: Node) -> Iterator[Mistake]:
    """Upstreams that are not there."""
    known = {upstream.name for upstream in node.upstreams}
    for location in node.proxy:
        if location.upstream is not UNREAD and location.upstream not in known:
            remedy = no_upstream(location.upstream, known)
            yield Mistake(node.name, f"proxy[{location.path}]", location.upstream, remedy)


def no_upstream(name: str, known: Collection[str]) -> str:
    """What would be right instead of a name that is none of the `known` upstreams'."""
    if written_out := as_upstream(name):
        return f'give the name of an upstream, "app", and set {written_out}'
    near = alike(name, known)
    others = ", ".join(sorted(known)) or 'none; set `upstreams`, {"NAME": {"servers": […]}}'
    return (
        f"there is no such upstream; {f'did you mean {near}?' if near else f'there are {others}'}"
    )


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
    if cache and not any(place.proxy and place.cache for place in node.every_place):
        remedy = "nothing is proxied through it: set `proxy` or `paths`, or cache = None"
        yield Mistake(node.name, "cache", cache.path, remedy)


def twice(servers: Collection[Server]) -> Iterator[tuple[str, str]]:
    """What is wrong between their values, and what would be right."""
    counts = Counter(server.address for server in servers)
    for address in sorted(address for address, count in counts.items() if count > 1):
        yield f"{address} twice", "name each server once; `weight` gives it more"


def _backups(upstream: Upstream) -> Iterator[tuple[str, str]]:
    """Likewise."""
    yield from backups(upstream.servers, upstream.balance, "ip_hash")


def backups(servers: Collection[Server], balance: str, without: str) -> Iterator[tuple[str, str]]:
    """Likewise. `without`: the `balance` that knows no backups."""
    if servers and all(server.backup for server in servers):
        yield "only backups", "a backup is for when others fail: leave one without `backup`"
    if balance == without and any(server.backup for server in servers):
        yield f"{without} with a backup", f"{without} knows no backups; use another `balance`"


def _sockets(node: Node) -> Iterator[Mistake]:
    """Sockets of this machine's that nginx's unit does not let it see."""
    for upstream in node.upstreams:
        for value, remedy in judged(sockets(node, upstream.servers)):
            yield Mistake(node.name, f"upstreams[{upstream.name}].servers", value, remedy)


def sockets(node: Node, servers: Collection[Server]) -> Iterator[tuple[str, str]]:
    """Likewise, of these servers: the address, and what would be right."""
    for server in servers:
        _, is_socket, path = server.address.partition("unix:")
        named = nginx_paths.NamedPath("server", path, nginx_paths.CONNECT, 0)
        if is_socket and (remedy := nginx_paths.forbidden(named, node.walls)):
            yield server.address, remedy


def _tls(node: Node) -> Iterator[Mistake]:
    """Whom nginx is to believe, and its own certificate for those."""
    for upstream in node.upstreams:
        for name, value, remedy in judged(tls_faults(upstream.tls, upstream.servers)):
            setting = f"upstreams[{upstream.name}].tls.{name}"
            yield Mistake(node.name, setting, value, remedy, Bars.DEPLOY)


def tls_faults(
    tls: UpstreamTls | None, servers: Collection[Server]
) -> Iterator[tuple[str, object, str]]:
    """What is wrong with how these are spoken to: the setting, its value, what would be right."""
    if not tls:
        return
    if tls.verify and is_address(tls.name):
        remedy = "nginx looks for names in a certificate, and for no addresses"
        right = "give a name that the servers' certificates have, or verify = False without a name"
        yield "name", tls.name, f"{remedy}: {right}"
    elif tls.verify and not tls_name(tls, servers):
        remedy = (
            "give the name in the servers' certificates (an address is none), or verify = False"
        )
        yield "name", "(not set)", remedy
    if tls.ca_file and not tls.verify:
        yield "ca_file", tls.ca_file, "nobody is asked for a certificate: verify = True"
    if bool(tls.certificate) != bool(tls.key):
        missing = "key" if tls.certificate else "certificate"
        yield missing, "(not set)", "nginx shows both: certificate and key"
    for name in ("ca_file", "certificate", "key"):
        path = getattr(tls, name)
        if path and (why := unreadable(path)):
            yield name, path, f"give a PEM file that can be read ({why})"
        elif path and "-----BEGIN " not in local_path(path).read_text(errors="replace"):
            yield name, path, "this is no PEM file"


def _resolve(node: Node) -> Iterator[Mistake]:
    """Names to be looked up again, and whom nginx asks for them."""
    for upstream in node.upstreams:
        for value, remedy in judged(_resolve_of(node, upstream)):
            yield Mistake(node.name, f"upstreams[{upstream.name}].resolve", value, remedy)


def _resolve_of(node: Node, upstream: Upstream) -> Iterator[tuple[str, str]]:
    if not upstream.resolve:
        return
    if not any(server.is_named for server in upstream.servers):
        yield "True", "none of its servers is given by a name: leave it out"
    elif not node.resolver:
        yield "True", 'nginx asks name servers of its own: set `resolver`, such as ["10.0.0.53"]'
    elif node.looks_up(upstream) and len(upstream.servers) > 1:
        remedy = "with more than one server this takes nginx_version 1.27.3 or newer"
        yield f"True, {len(upstream.servers)} servers, nginx {node.nginx_version}", remedy


PARTS = (_upstreams, _locations, _paths, _cache_path, _cache_in_vain, _sockets, _tls, _resolve)
