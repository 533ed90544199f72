"""What of a person's settings nginx will not do everywhere, though one may expect it."""

from __future__ import annotations

from collections.abc import Iterator

from settings.cluster import Cluster
from settings.node import Node
from settings.serving.header_settings import KNOWN
from settings.values import alike


def warnings(cluster: Cluster) -> Iterator[str]:
    """What is worth a word to whoever deploys `cluster`."""
    node = cluster.preferred
    if node.proxy and node.sites:
        yield f"{cluster.name}: {_proxy_without_sites(node)}"
    if names := list(dict.fromkeys(_names(cluster))):
        yield f"{cluster.name}: {_needs_a_resolver(names)}"
    for setting, right in _misspelt(node):
        yield f"{cluster.name}: {setting}: no browser knows this header; did you mean {right}?"


def _misspelt(node: Node) -> Iterator[tuple[str, str]]:
    """Headers whose names are nearly those of others: where they are set, and the others."""
    chosen = {"headers": node.headers}
    chosen |= {f"paths[{place.path}].headers": place.headers for place in node.paths}
    for index, site in enumerate(node.sites):
        chosen[f"sites[{index}].headers"] = site.headers or ()
        for place in site.paths:
            chosen[f"sites[{index}].paths[{place.path}].headers"] = place.headers
    known = {name.lower(): name for name in KNOWN}
    for setting, headers in chosen.items():
        for name, _ in headers:
            if name.lower() not in known and (right := alike(name, KNOWN, cutoff=0.92)):
                yield f"{setting}.{name}", right


def _proxy_without_sites(node: Node) -> str:
    """A site is its directory alone."""
    paths = ", ".join(location.path for location in node.proxy)
    names = ", ".join(site.name for site in node.sites)
    name, upstream = node.sites[0].name, node.proxy[0].upstream
    return (
        f"proxy ({paths}) is for requests that name no site: {names} answer such paths from "
        f"their own files, with 404 where there is none. To proxy {name}, take it out of `sites` "
        f"and give its whole server as a snippet in {node.nginx_snippets}/, with proxy_pass "
        f"http://{upstream} in it (docs/proxy.md, Sites)"
    )


def _names(cluster: Cluster) -> Iterator[str]:
    """The servers behind nginx that are given by a name, as UPSTREAM: HOST:PORT."""
    for node in cluster.nodes:
        for upstream in node.upstreams:
            for server in upstream.servers:
                if server.is_named:
                    yield f"{upstream.name}: {server.address}"


def _needs_a_resolver(names: list[str]) -> str:
    return (
        f"upstreams ({', '.join(names)}): nginx looks a name up each time that it starts or reads "
        "its configuration, and does not start where nobody answers: with the name server away no "
        "machine serves after a reboot. Give addresses, or have these names in /etc/hosts of each "
        "machine"
    )
