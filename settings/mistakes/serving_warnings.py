"""What of a person's settings nginx will not do everywhere, though one may expect it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from settings.cluster import Cluster
from settings.node import Node
from settings.serving.header_settings import ASKED, KNOWN
from settings.serving.path_options import Headers
from settings.serving.site import Site
from settings.serving.site_names import is_open
from settings.serving.streams import Stream
from settings.values import alike


def warnings(cluster: Cluster) -> Iterator[str]:
    """What is worth a word to whoever deploys `cluster`."""
    node = cluster.preferred
    if node.proxy and (own := [site.name for site in node.sites if not _passes_on(site)]):
        yield f"{cluster.name}: {_proxy_without_sites(node, own)}"
    if open_names := list(_open_names(node)):
        yield f"{cluster.name}: {_nobody_can_say(open_names)}"
    for setting in ("upstreams", "streams"):
        if names := list(dict.fromkeys(_names(cluster, setting))):
            yield f"{cluster.name}: {_needs_a_resolver(setting, names)}"
    for stream in node.streams:
        if said := _passes_tls(node, stream):
            yield f"{cluster.name}: {said}"
        if said := _leaves_out(node, stream):
            yield f"{cluster.name}: {said}"
    if closed := [site.name for site in node.sites if _is_for_shown_certificates(node, site)]:
        yield f"{cluster.name}: {_shown_in_tls(closed)}"
    for setting, who, right in _misspelt(node):
        yield f"{cluster.name}: {setting}: no {who} knows this header; did you mean {right}?"


def _misspelt(node: Node) -> Iterator[tuple[str, str, str]]:
    """Headers whose names are nearly those of others: where they are set, who does not know them,
    and the others."""
    for setting, headers in _headers(node):
        known, who = (ASKED, "application") if "send_headers" in setting else (KNOWN, "browser")
        names = {name.lower() for name in known}
        for name, _ in headers:
            if name.lower() not in names and (right := alike(name, known, cutoff=0.92)):
                yield f"{setting}.{name}", who, right


def _headers(node: Node) -> Iterator[tuple[str, Headers]]:
    """All that are set, each by its name in the settings."""
    yield "headers", node.headers
    yield from _of_server("", node)
    for index, site in enumerate(node.sites):
        yield f"sites[{index}].headers", site.headers or ()
        yield from _of_server(f"sites[{index}].", site)


def _of_server(whose: str, server: Node | Site) -> Iterator[tuple[str, Headers]]:
    if server.path_defaults:
        yield f"{whose}path_defaults.send_headers", server.path_defaults.send_headers
    for place in server.paths:
        yield f"{whose}paths[{place.path}].headers", place.headers
        yield f"{whose}paths[{place.path}].send_headers", place.send_headers


def _passes_tls(node: Node, stream: Stream) -> str:
    """What to know of a stream whose clients have to speak TLS with an upstream, "" for others."""
    if not stream.is_tcp or not stream.upstream or stream.tls or stream.to_tls:
        return ""
    if not node.upstream(stream.upstream).tls:
        return ""
    return (
        f"streams ({stream.name}): {stream.upstream} has tls, of which a stream takes nothing, and "
        "nginx ends no TLS here: its clients have to speak TLS with the servers themselves. Where "
        "they do not, set to_tls"
    )


def _leaves_out(node: Node, stream: Stream) -> str:
    """What somebody has set for an upstream and a stream to it has otherwise, "" for nothing. (What
    else an upstream has is of HTTP, or its servers' own, which a stream takes.)"""
    if not stream.upstream:
        return ""
    upstream = node.upstream(stream.upstream)
    said = upstream.model_fields_set
    wanted: dict[str, object] = {}
    if "balance" in said:
        wanted["balance"] = {"ip_hash": "hash"}.get(upstream.balance, upstream.balance)
    if "connect_timeout_s" in said and stream.is_tcp:
        wanted["connect_timeout_s"] = upstream.connect_timeout_s
    if "read_timeout_s" in said:
        wanted["idle_timeout_s"] = upstream.read_timeout_s
    missing = {
        name: value
        for name, value in wanted.items()
        if name not in stream.model_fields_set and getattr(stream, name) != value
    }
    if not missing:
        return ""
    right = ", ".join(f'"{name}": {json.dumps(value)}' for name, value in missing.items())
    has = ", ".join(f"{name} {getattr(stream, name)}" for name in missing)
    return (
        f"streams ({stream.name}): of {stream.upstream} a stream takes the servers alone, and has "
        f"{has} itself. To have it as there, give the stream {right}"
    )


def _is_for_shown_certificates(node: Node, site: Site) -> bool:
    """Whether proxies in front that take TLS off get nothing of `site`."""
    clients = site.client_certificates
    return bool(clients and clients.verify == "on" and node.trusted_proxies)


def _shown_in_tls(names: list[str]) -> str:
    return (
        "client_certificates are shown in TLS: what trusted_proxies have taken TLS off gets 403 of "
        f"{', '.join(names)}. Have them pass its TLS on as it is (docs/behind-a-balancer.md)"
    )


def _passes_on(site: Site) -> bool:
    """Whether any of its paths is an application's: whoever wrote that knows of `paths`."""
    return any(place.upstream for place in site.places)


def _proxy_without_sites(node: Node, names: list[str]) -> str:
    """A site has its own paths alone."""
    paths = ", ".join(location.path for location in node.proxy)
    first = node.proxy[0]
    return (
        f"proxy ({paths}) is for requests that name no site: {', '.join(names)} answer such paths "
        f"from their own files, with 404 where there is none. To proxy {names[0]}, give it "
        f'"paths": {{"{first.path}": {{"proxy": "{first.upstream}"}}}} (docs/sites.md)'
    )


def _open_names(node: Node) -> Iterator[str]:
    """The names over TLS that stand for nobody knows which."""
    for site in node.sites if node.tls else ():
        yield from filter(is_open, site.server_names)


def _nobody_can_say(names: list[str]) -> str:
    return (
        f"server_names ({', '.join(names)}): whether the certificate is for what these stand for "
        "nobody can say before a client asks: see that it is"
    )


def _names(cluster: Cluster, setting: str) -> Iterator[str]:
    """The servers behind nginx that a setting gives by a name, as UPSTREAM: HOST:PORT."""
    for node in cluster.nodes:
        of_upstreams = [(each.name, each.servers) for each in node.upstreams if not each.resolve]
        of_streams = [(stream.name, stream.to) for stream in node.streams]
        for name, servers in of_upstreams if setting == "upstreams" else of_streams:
            for server in servers:
                if server.is_named:
                    yield f"{name}: {server.address}"


def _needs_a_resolver(setting: str, names: list[str]) -> str:
    return (
        f"{setting} ({', '.join(names)}): nginx looks a name up each time that it starts or reads "
        "its configuration, and does not start where nobody answers: with the name server away no "
        "machine serves after a reboot. Give addresses, or have these names in /etc/hosts of each "
        "machine"
    )
