"""What cannot work about clients: their limits, who speaks for them, the headers they get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.serving.header_settings import CACHE_STATUS, NOT_SENT, PROFILE, PROFILES
from settings.serving.http_versions import ALT_SVC
from settings.serving.path_options import Headers
from settings.serving.places import Place
from settings.values import UNREAD, judged

# The shortest prefixes of networks that may be somebody's own: 10.0.0.0/8, and fc00::/7.
WIDEST = {4: 8, 6: 7}
BURST_OF_NOTHING = "it is ahead of a rate: give requests_per_s as well, or no burst"
LOOPBACK = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}


def _nothing(node: Node) -> Iterator[Mistake]:
    limits = node.client_limits
    if limits and not (limits.connections or limits.requests_per_s or limits.new_connections_per_s):
        remedy = "give connections, requests_per_s or new_connections_per_s; None for no limit"
        yield Mistake(node.name, "client_limits", "no limit", remedy)


def _burst_of_nothing(node: Node) -> Iterator[Mistake]:
    limits = node.client_limits
    if limits and limits.burst and not limits.requests_per_s:
        yield Mistake(node.name, "client_limits.burst", limits.burst, BURST_OF_NOTHING)


def _trusted(node: Node) -> Iterator[Mistake]:
    """Whom nobody should believe about clients."""
    for network in node.trusted_networks:
        if remedy := _not_to_be_trusted(node, network):
            yield Mistake(node.name, "trusted_proxies", str(network), remedy)


def _not_to_be_trusted(node: Node, network: IPv4Network | IPv6Network) -> str:
    """Why not, "" if it may well be."""
    if network.prefixlen < WIDEST[network.version]:
        everybody = "everybody" if not network.prefixlen else "a great part of the internet"
        return (
            f"this is {everybody}, and who is trusted may take any client's address for itself: "
            "name the proxies in front, or their networks"
        )
    if network.overlaps(LOOPBACK[network.version]):
        return "this is the machine itself, which asks from there: name the proxies in front"
    if network.prefixlen == network.max_prefixlen:
        own = [vip.ip for _, vip in node.vip_settings]
        own += [each for each in node.own_addresses if each is not UNREAD]
        if network.network_address in own:
            return "this is the cluster's own, and nobody in front: name the proxies in front"
    return ""


def _headers(node: Node) -> Iterator[Mistake]:
    """Names that nginx would send twice, or that are another setting's."""
    known = dict(_SENT_ANYWAY)
    yield from judged(_of_choice(node, "headers", node.headers, known))
    yield from judged(_of_places(node, "", node.paths, known))
    for index, site in enumerate(node.sites if node.sites is not UNREAD else ()):
        if site is not UNREAD:
            own = f"sites[{index}]."
            yield from judged(_of_choice(node, f"{own}headers", site.headers, known))
            yield from judged(_of_places(node, own, site.paths, known))


def _of_places(
    node: Node, whose: str, places: tuple[Place, ...], known: dict[str, str]
) -> Iterator[Mistake]:
    for place in places:
        if place is not UNREAD and place.path is not UNREAD:
            setting = f"{whose}paths[{place.path}].headers"
            yield from judged(_of_choice(node, setting, place.headers, known))
            if place.headers is not UNREAD and PROFILE in dict(place.headers):
                value = dict(place.headers)[PROFILE]
                remedy = "a profile is for a site or for all: leave it out here"
                yield Mistake(node.name, f"{setting}.{PROFILE}", value, remedy)


def _of_choice(
    node: Node, setting: str, headers: Headers | None, known: dict[str, str]
) -> Iterator[Mistake]:
    sent = []
    for name, value in headers or ():
        if why := NOT_SENT.get(_known_as(name).replace("_", "-")):
            yield Mistake(node.name, f"{setting}.{name}", value, why)
        else:
            sent.append((name, value))
    for name, value, remedy in called_the_same(sent, known):
        yield Mistake(node.name, f"{setting}.{name}", value, remedy)


def called_the_same(
    headers: Iterable[tuple[str, str]], known: dict[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Names for what has one already: the name, its value, and what would be right. `known`: how
    the names before are written, by what nginx knows them as; those of `headers` come into it."""
    seen: set[str] = set()
    for name, value in headers:
        first = known.setdefault(_known_as(name), name)
        if first.lower() != name.lower():
            remedy = f"nginx knows {first} by the same name: write it so, or leave one of them"
            yield name, value, remedy
        elif name.lower() in seen:
            remedy = f"{first} is the same: headers know no capital letters; leave one of them"
            yield name, value, remedy
        seen.add(name.lower())


def _known_as(header: str) -> str:
    """A header as nginx's variables have it ($sent_http_x_a), and CGI's."""
    return header.lower().replace("-", "_")


# What is sent without anybody's word for it.
_SENT_ANYWAY = {
    _known_as(name): name
    for name in (*(name for each in PROFILES.values() for name in each), ALT_SVC, CACHE_STATUS)
}


def _proxy_protocol(node: Node) -> Iterator[Mistake]:
    if node.proxy_protocol and not node.trusted_proxies:
        remedy = "say whose word about clients counts: set trusted_proxies as well, or False"
        yield Mistake.of(node, "proxy_protocol", remedy)


PARTS = (_nothing, _burst_of_nothing, _trusted, _proxy_protocol, _headers)
