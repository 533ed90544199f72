"""What of a person's settings nginx will not do everywhere, though one may expect it."""

from __future__ import annotations

from collections.abc import Iterator

from settings.cluster import Cluster
from settings.node import Node
from settings.serving.site import Site


def warnings(cluster: Cluster) -> Iterator[str]:
    """What is worth a word to whoever deploys `cluster`."""
    node = cluster.preferred
    if node.proxy and (own := [site.name for site in node.sites if not _passes_on(site)]):
        yield f"{cluster.name}: {_proxy_without_sites(node, own)}"
    if names := list(dict.fromkeys(_names(cluster))):
        yield f"{cluster.name}: {_needs_a_resolver(names)}"


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


def _names(cluster: Cluster) -> Iterator[str]:
    """The servers behind nginx that are given by a name, as UPSTREAM: HOST:PORT."""
    for node in cluster.nodes:
        for upstream in node.upstreams:
            for server in upstream.servers:
                if server.is_named and not upstream.resolve:
                    yield f"{upstream.name}: {server.address}"


def _needs_a_resolver(names: list[str]) -> str:
    return (
        f"upstreams ({', '.join(names)}): nginx looks a name up each time that it starts or reads "
        "its configuration, and does not start where nobody answers: with the name server away no "
        "machine serves after a reboot. Give addresses, or have these names in /etc/hosts of each "
        "machine"
    )
