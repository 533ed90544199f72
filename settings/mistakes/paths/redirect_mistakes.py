"""Redirects by which a browser never arrives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.own_pieces import has_locations
from settings.serving.path_options import CHALLENGES
from settings.serving.places import Place
from settings.serving.proxy import OWN_PATHS
from settings.serving.site import Site
from settings.serving.site_names import spelled_out
from settings.values import UNREAD, judged

_ABSOLUTE = re.compile(r"(https?|\$scheme)://(\$\w+|\$\{\w+\}|[^/:?#$]+)(?::(\d+))?([/?#$].*)?")
# What a client has asked for, from its first slash on.
_REQUEST_URI = re.compile(r"\$(request_uri\b|\{request_uri\})")
# What a client has asked for, whatever it is called.
_AS_ASKED = ("$host", "${host}", "$http_host", "${http_host}")
_USUAL_PORTS = {"http": 80, "https": 443}


def _loops(node: Node) -> Iterator[Mistake]:
    yield from judged(_in_server(node, None, "paths"))
    for index, site in enumerate(node.sites if node.sites is not UNREAD else ()):
        if site is not UNREAD:
            yield from judged(_in_server(node, site, f"sites[{index}].paths"))


def _in_server(node: Node, site: Site | None, where: str) -> Iterator[Mistake]:
    places = site.places if site else node.places
    names = {each for name in site.server_names for each in spelled_out(name)} if site else set()
    # Which place answers what each of them leads to, where that is in the same server.
    leads = {
        place.path: _answering(node, places, target)
        for place in places
        if place.redirect and (target := _path_here(node, names, place))
    }
    for place in places:
        if place.path in leads and (way := _way_back(leads, place)) is not None:
            over = f" (by {', '.join(way)})" if way else ""
            remedy = f"a browser would be led here again{over}, and never arrive: give another"
            yield Mistake(node.name, f"{where}[{place.path}].redirect", place.redirect, remedy)


def _way_back(leads: dict[str, Place | None], place: Place) -> list[str] | None:
    """The other paths on the way from a place to itself; None where it does not lead there."""
    way: list[str] = []
    here = leads.get(place.path)
    while here and here.path != place.path and here.path not in way:
        way.append(here.path)
        here = leads.get(here.path)
    return way if here and here.path == place.path else None


def _path_here(node: Node, names: set[str], place: Place) -> str:
    """The path of this server that a redirect leads to, over the same scheme; "" for elsewhere."""
    target = place.redirect
    if target.startswith("/"):
        return target
    found = _ABSOLUTE.fullmatch(target)
    if not found:
        return ""
    said, host, port, path = found.groups()
    ours = "https" if node.tls else "http"
    scheme = ours if "$" in said else said
    if host not in _AS_ASKED and host.lower() not in names:
        return ""
    # (Where there is TLS, all that comes without is led there.)
    own = {"http": node.http_port, "https": node.https_port if node.tls else None}
    if (int(port) if port else _USUAL_PORTS[scheme]) != own[scheme]:
        return ""
    path = _REQUEST_URI.sub(place.location, path or "", count=1) if _asks_again(path) else path
    return path if path and path.startswith("/") else f"/{path or ''}"


def _asks_again(path: str | None) -> bool:
    """Whether it is what the client has asked for already."""
    return bool(path and _REQUEST_URI.match(path))


def _answering(node: Node, places: tuple[Place, ...], target: str) -> Place | None:
    """The place that answers a target; None where that depends on a variable, or where it may be
    none of the settings': Tandem's own, or a location that a person has brought."""
    path = re.split(r"[?#]", target)[0]
    if path in OWN_PATHS or path.startswith(CHALLENGES):
        return None
    if has_locations(node.nginx_files):
        places = tuple(place for place in places if place.location == path)
    known = "".join(takewhile(lambda one: one != "$", path))
    if known != path and any(
        place.location.startswith(known) and place.location != known for place in places
    ):
        return None
    exact = [place for place in places if place.is_exact and place.location == path]
    within = [place for place in places if not place.is_exact and known.startswith(place.location)]
    return next(iter(exact), None) or max(within, key=lambda it: len(it.location), default=None)


PARTS = (_loops,)
