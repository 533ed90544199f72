"""Options of one path that would do nothing, or that nginx would not start with."""

from __future__ import annotations

from collections.abc import Iterator

from settings.mistakes.client_mistakes import BURST_OF_NOTHING
from settings.node import Node
from settings.serving.path_options import PathOptions
from settings.serving.places import Place

# Characters of a header's name: what one of a table's buckets has, which cannot be set for all
# protocols.
LONGEST_TOLD = 46
Found = Iterator[tuple[str, object, str]]


def limits(_: Node, place: PathOptions) -> Found:
    """A limit of nothing, or ahead of nothing."""
    given = place.limits
    if given and not (given.connections or given.requests_per_s):
        yield "limits", given, "give connections, or requests_per_s, or both"
    elif given and given.burst and not given.requests_per_s:
        yield "limits.burst", given.burst, BURST_OF_NOTHING


def dropped(_: Node, place: Place) -> Found:
    """Options of this kind that another one of the same place takes away."""
    if place.kind == "fastcgi" and place.script and place.fallback:
        remedy = "`script` answers everything here, so that nothing is missing: leave it out"
        yield "fallback", place.fallback, remedy
    said_both = place.kind == "proxy" and {"cache", "buffering"} <= place.model_fields_set
    if said_both and place.cache and not place.buffering:
        remedy = "nginx keeps no answer that it does not buffer: leave out one of the two"
        yield "cache", True, f"buffering is False: {remedy}"


def kept(node: Node, place: Place) -> Found:
    """How answers are kept where nothing is kept."""
    if place.kind == "proxy" and place.cache and place.cache.model_fields_set and not node.cache:
        yield "cache", place.cache, "nothing is kept for this cluster: set `cache` for it, too, {}"


def long_names(_: Node, place: PathOptions) -> Found:
    """Headers whose names fit into none of nginx's tables for this protocol, so that it would not
    start."""
    told = {name: "send_headers" for name, _ in place.send_headers}
    hidden = dict.fromkeys(place.hide_headers, "hide_headers")
    own = dict[str, str]()
    if isinstance(place, Place):
        if not place.upstream:
            return
        own = {name: "headers" for name, value in place.headers if value}
    for name, setting in {**own, **hidden, **told}.items():
        if len(name) > LONGEST_TOLD:
            remedy = (
                f"nginx takes names of up to {LONGEST_TOLD} characters here: give a shorter one"
            )
            yield setting, name, remedy
