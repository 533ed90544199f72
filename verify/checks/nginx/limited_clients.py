"""How much one address may ask nginx for, beside the settings: of the machine, and of places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from settings import Node
from settings.serving.client_settings import RequestLimits
from settings.serving.serving_settings import DEFAULT_SERVER
from verify.read.blocks import Block

COUNTED = "$binary_remote_addr"
DIRECTIVES = ("limit_conn", "limit_req")


class _Zone(NamedTuple):
    """Where nginx counts for one limit. `limit`: the directive that sets it, `words`: what follows
    it there, without the zone; `rate`: what its zone counts by."""

    limit: str
    name: str
    words: str
    rate: str = ""

    @property
    def line(self) -> str:
        """What follows the directive where the limit is set."""
        zone = self.name if self.limit == "limit_conn" else f"zone={self.name}"
        return f"{zone} {self.words}"


def limited_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with it."""
    everywhere = list(_zones(node.client_limits, "tandem_"))
    for name in DIRECTIVES:
        found = root.last("http", name)
        right = next((zone.line for zone in everywhere if zone.limit == name), "")
        if found != right:
            yield f"{name} is {found or 'not set'}, not {right or 'unset'}"
    of_places = list(_of_places(node))
    lines = {
        " ".join(line.words)
        for name in DIRECTIVES
        for line in root.every("http", "server", "location", name)
    }
    wanted_lines = {f"{zone.limit} {zone.line}" for zone in of_places}
    for zone in everywhere:
        line = f"{zone.limit} {zone.line}"
        lines -= {line}
        # A place's own would take its place.
        for location in root.every("http", "server", "location"):
            said = [" ".join(each.words) for each in location.every(zone.limit)]
            if said and line not in said:
                yield f"location {' '.join(location.words[1:])} has no {line}"
    yield from (f"no place has {missing}" for missing in sorted(wanted_lines - lines))
    yield from (f"a place has {extra}, too" for extra in sorted(lines - wanted_lines))
    zones = {
        f"{name} {zone.partition(':')[0].removeprefix('zone=')}": " ".join((counted, *rate))
        for name in (f"{each}_zone" for each in DIRECTIVES)
        for _, counted, zone, *rate in (each.words for each in root.every("http", name))
    }
    wanted = {
        f"{zone.limit}_zone {zone.name}": f"{COUNTED} {zone.rate}".rstrip()
        for zone in (*everywhere, *of_places)
    }
    for name in sorted(zones.keys() | wanted.keys()):
        if zones.get(name) != wanted.get(name):
            yield f"{name} has {zones.get(name, 'nothing')}, not {wanted.get(name, 'anything')}"


def _of_places(node: Node) -> Iterator[_Zone]:
    servers = {DEFAULT_SERVER: node.places} | {site.name: site.places for site in node.sites}
    for server, places in servers.items():
        for place in places:
            yield from _zones(place.limits, after=f",{node.files_name(server, place)}")


def _zones(limits: RequestLimits | None, before: str = "", after: str = "") -> Iterator[_Zone]:
    if limits and limits.connections:
        yield _Zone("limit_conn", f"{before}connections{after}", f"{limits.connections}")
    if limits and limits.requests_per_s:
        words, rate = f"burst={limits.at_once} nodelay", f"rate={limits.requests_per_s}r/s"
        yield _Zone("limit_req", f"{before}requests{after}", words, rate)
