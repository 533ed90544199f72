"""What nginx answers to each name and path by its own configuration, beside the settings."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Node
from settings.serving.places import FILES, Place
from settings.serving.serving_settings import DEFAULT_SERVER
from verify.read.blocks import Block

# What stands in a location for what answers it, by the kind of place.
DIRECTIVES = {
    "proxy": "proxy_pass",
    "grpc": "grpc_pass",
    "fastcgi": "fastcgi_pass",
    "uwsgi": "uwsgi_pass",
}
# Where the default server has each machine's own page.
PAGES = "/usr/html"


def served_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with who is answered, and from where."""
    servers = {name: server for server, name in _named(root)}
    wanted = {name: (site.name, site.places) for site in node.sites for name in site.server_names}
    for name, (whose, places) in ({"_": (DEFAULT_SERVER, node.places)} | wanted).items():
        if not (server := servers.pop(name, None)):
            yield f"no server answers to {name}"
            continue
        for place in places:
            yield from _otherwise(server, name, whose, place, node)
    if default := next((server for server, name in _named(root) if name == "_"), None):
        page = default.last("root")
        if node.page_path == "/" and page not in (PAGES, PAGES.removeprefix("/usr/")):
            yield f"root of _ is {page or 'not set'}, not {PAGES}"
    for name in servers:
        yield f"answers to {name}, which is not a site's name"


def _named(root: Block) -> Iterator[tuple[Block, str]]:
    """Each server that serves something, once for each of its names. (That of plain HTTP, where all
    goes over TLS, only redirects.)"""
    for server in root.every("http", "server"):
        named = server.last("server_name").split()
        if not _redirects_all(server):
            yield from ((server, name) for name in named)


def _redirects_all(server: Block) -> bool:
    everything = [place for place in server.every("location") if place.words[1:] == ("/",)]
    return any(place.last("return").startswith("301 https://$host") for place in everything)


def _otherwise(server: Block, name: str, whose: str, place: Place, node: Node) -> Iterator[str]:
    """What is wrong with one path of a server."""
    words = tuple(f"= {place.location}".split() if _is_exact(place) else (place.location,))
    found = [each for each in server.every("location") if each.words[1:] == words]
    where = f"{name}{place.location}"
    if not found:
        yield f"nothing is set for {where}"
        return
    location = found[0]
    if place.kind in DIRECTIVES:
        target = _target(location, DIRECTIVES[place.kind])
        # (What is looked up for each request is a variable.)
        looked_up = node.looks_up(node.upstream(place.upstream))
        if not (target.startswith("$") if looked_up else target == place.upstream):
            yield f"{where} goes to {target or 'nobody'}, not to {place.upstream}"
    elif place.kind == "redirect":
        said, right = location.last("return"), f"{place.status} {node.as_asked(place.redirect)}"
        if said != right:
            yield f"{where} is {said or 'no redirect'}, not {right}"
    else:
        right = node.files_directory(whose, place)
        served = (location.last("alias") or location.last("root")).rstrip("/")
        if served != right:
            yield f"{where} is served from {served or 'nowhere'}, not from {right}"
        if place.kind in FILES and (location.last("autoindex") == "on") != place.listing:
            yield f"{where} shows {'no ' if place.listing else ''}listing of its files"


def _is_exact(place: Place) -> bool:
    return place.path != place.location or (place.kind == "page" and place.path != "/")


def _target(location: Block, directive: str) -> str:
    """Whom it asks: the host of a URL, or the name alone."""
    words = [each.words[1] for each in location.every(directive) if len(each.words) > 1]
    words += [each.words[1] for each in location.every("location", directive)]
    return words[0].rpartition("://")[2].partition("/")[0] if words else ""
