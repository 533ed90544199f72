"""What cannot work about what clients are granted, and told: limits, headers."""

from __future__ import annotations

from collections.abc import Iterator

from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.serving.header_settings import NOT_SENT, PROFILE
from settings.serving.places import Headers, Place
from settings.values import UNREAD, judged


def _nothing(node: Node) -> Iterator[Mistake]:
    limits = node.client_limits
    if limits and not (limits.connections or limits.requests_per_s or limits.new_connections_per_s):
        remedy = "give connections, requests_per_s or new_connections_per_s; None for no limit"
        yield Mistake(node.name, "client_limits", "no limit", remedy)


def _burst_of_nothing(node: Node) -> Iterator[Mistake]:
    limits = node.client_limits
    if limits and limits.burst and not limits.requests_per_s:
        remedy = "it is ahead of a rate: give requests_per_s as well, or no burst"
        yield Mistake(node.name, "client_limits.burst", limits.burst, remedy)


def _headers(node: Node) -> Iterator[Mistake]:
    """Names that nginx would send twice, or that are another setting's."""
    yield from judged(_of_choice(node, "headers", node.headers))
    yield from judged(_of_places(node, "", node.paths))
    for index, site in enumerate(node.sites if node.sites is not UNREAD else ()):
        if site is not UNREAD:
            own = f"sites[{index}]."
            yield from judged(_of_choice(node, f"{own}headers", site.headers))
            yield from judged(_of_places(node, own, site.paths))


def _of_places(node: Node, whose: str, places: tuple[Place, ...]) -> Iterator[Mistake]:
    for place in places:
        if place is not UNREAD and place.path is not UNREAD:
            setting = f"{whose}paths[{place.path}].headers"
            yield from judged(_of_choice(node, setting, place.headers))
            if place.headers is not UNREAD and PROFILE in dict(place.headers):
                value = dict(place.headers)[PROFILE]
                remedy = "a profile is for a site or for all: leave it out here"
                yield Mistake(node.name, f"{setting}.{PROFILE}", value, remedy)


def _of_choice(node: Node, setting: str, headers: Headers | None) -> Iterator[Mistake]:
    seen: dict[str, str] = {}
    for name, value in headers or ():
        if name.lower() in NOT_SENT:
            yield Mistake(node.name, f"{setting}.{name}", value, NOT_SENT[name.lower()])
        elif first := seen.get(name.lower()):
            remedy = f"{first} is the same: headers know no capital letters; leave one of them"
            yield Mistake(node.name, f"{setting}.{name}", value, remedy)
        seen[name.lower()] = name


PARTS = (_nothing, _burst_of_nothing, _headers)
