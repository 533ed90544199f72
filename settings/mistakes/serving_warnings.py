"""What of a person's settings nginx will not do everywhere, though one may expect it."""

from __future__ import annotations

from collections.abc import Iterator

from settings.cluster import Cluster
from settings.node import Node


def warnings(cluster: Cluster) -> Iterator[str]:
    """What is worth a word to whoever deploys `cluster`."""
    node = cluster.preferred
    if node.proxy and node.sites:
        yield f"{cluster.name}: {_proxy_without_sites(node)}"
    for setting in ("upstreams", "streams"):
        if names := list(dict.fromkeys(_names(cluster, setting))):
            yield f"{cluster.name}: {_needs_a_resolver(setting, names)}"


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


def _names(cluster: Cluster, setting: str) -> Iterator[str]:
    """The servers behind nginx that a setting gives by a name, as UPSTREAM: HOST:PORT."""
    for node in cluster.nodes:
        of_upstreams = [(upstream.name, upstream.servers) for upstream in node.upstreams]
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
