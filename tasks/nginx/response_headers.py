"""The headers that nginx adds: for each one `add_header` at http level, so that what people add
there is not lost, and maps that say its value for a request.

nginx sends no header whose value is empty. A server or a location that adds one itself has none of
those above it, so nothing of ours has `add_header` there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from settings import Node
from settings.serving.header_settings import HSTS
from settings.serving.http_versions import TOLD
from settings.serving.places import SEVERAL
from settings.serving.serving_settings import DEFAULT_SERVER
from settings.serving.site_names import HashSizes, table_sizes

# The place that answers, as `set` says it in places with headers of their own.
PLACE = "$tandem_place"
# As long a key fits into nginx's own map_hash_bucket_size, and as long a variable's name into its
# own variables_hash_bucket_size; and what one costs beside its length.
KEY_MAX, KEY_COST = 46, 18
# Beside nginx's own, so many find room in its table as it is.
FEW_VARIABLES = 24
# About so many nginx has itself, and so long; and its own variables_hash_max_size.
OWN_VARIABLES, OWN_VARIABLE, VARIABLES_MAX = 150, 20, 1024


class HeaderMap(NamedTuple):
    """One `map`. `entries`: keys and values as they stand in the file."""

    about: str
    source: str
    variable: str
    entries: tuple[tuple[str, str], ...]


class ResponseHeaders(NamedTuple):
    """`lines`: names and values of `add_header`. `bucket_size`: of nginx's map_hash_bucket_size, 0
    where its own is large enough; `variables`: of its table of variables."""

    maps: tuple[HeaderMap, ...]
    lines: tuple[tuple[str, str], ...]
    bucket_size: int
    variables: HashSizes


def response_headers(node: Node) -> ResponseHeaders:
    """What `node` answers with beside what nginx and applications say."""
    common = node.headers_as_asked(node.headers_of(None))
    # ($server_name is the first of a server's names, as it is written.)
    sites = {
        site.server_names[0]: node.headers_as_asked(node.headers_of(site)) for site in node.sites
    }
    servers = {DEFAULT_SERVER: node.places} | {site.name: site.places for site in node.sites}
    places = {
        node.files_name(server, place): node.headers_as_asked(dict(place.headers))
        for server, every in servers.items()
        for place in every
        if place.headers
    }
    maps, lines = [*_of_http3(node)], []
    if places:
        about = "The place that answers, where it has `headers` of its own"
        maps.append(HeaderMap(about, '""', PLACE, (("default", '""'),)))
    names = {
        name.lower(): name
        for headers in (*places.values(), *sites.values(), common)
        for name in headers
    }
    for name in sorted(names.values()):
        value = _quoted(_of(common, name) or "")
        for one in _maps(name, value, common, sites, places, node.as_asked("$https")):
            maps.append(one)
            value = one.variable
        lines.append((name, value))
    keys = [len(key) - len('""') for one in maps for key, _ in one.entries]
    variables = [len(one.variable.removeprefix("$")) for one in maps]
    # (Those that an upstream's name is looked up by, in places.)
    looked_up = filter(node.looks_up, node.upstreams)
    variables += [len(f"tandem_upstream_{each.name}") for each in looked_up]
    # (Each site's maintenance has two.)
    closed = [site for site in node.sites if node.maintenance_of(site.maintenance)]
    variables += [len("tandem_outside_999")] * 2 * len(closed)
    return ResponseHeaders(tuple(maps), tuple(lines), _bucket_size(keys), _variables(variables))


def _variables(lengths: list[int]) -> HashSizes:
    """The sizes of nginx's table of variables: its own where ours are few among its own."""
    if len(lengths) <= FEW_VARIABLES:
        return HashSizes(max(lengths, default=0), _bucket_size(lengths) or None, None)
    return table_sizes([*lengths, *[OWN_VARIABLE] * OWN_VARIABLES], VARIABLES_MAX)


def _bucket_size(lengths: Iterable[int]) -> int:
    longest = max(lengths, default=0)
    return 0 if longest <= KEY_MAX else 1 << (longest + KEY_COST + 7).bit_length()


def _of_http3(node: Node) -> Iterator[HeaderMap]:
    """Whom HTTP/3 is told of, if it is spoken, and what."""
    if not node.speaks_http3:
        return
    # (The value has quotation marks in it.)
    named = {DEFAULT_SERVER: None} | {site.server_names[0]: site for site in node.sites}
    servers = [
        (_key(name), f"'{node.alt_svc}'") for name, site in named.items() if node.http3_of(site)
    ]
    yield HeaderMap(
        "Which servers speak HTTP/3 (http3): of Tandem's, and none of your own",
        "$server_name",
        "$tandem_http3_server",
        (("default", '""'), *servers),
    )
    directly = ('"$tandem_in_front $https"', '"0 on"') if node.trusted_proxies else ("$https", "on")
    nobody = ", and to nobody who comes through a proxy (trusted_proxies)"
    yield HeaderMap(
        f"It is told over TLS alone{nobody if node.trusted_proxies else ''}",
        directly[0],
        TOLD,
        (("default", '""'), (directly[1], "$tandem_http3_server")),
    )


def _maps(
    name: str,
    value: str,
    common: Mapping[str, str],
    sites: Mapping[str, Mapping[str, str]],
    places: Mapping[str, Mapping[str, str]],
    https: str,
) -> Iterator[HeaderMap]:
    """From `value`, which is the cluster's, to what is sent: each asks the one before. What a
    variable is for stands before the header's name, which may be any. `https`: the variable that
    is "on" where the client has asked by https."""
    own = name.lower().replace("-", "_")
    apart = [
        (_key(site), _quoted(_of(headers, name) or ""))
        for site, headers in sites.items()
        if _of(headers, name) != _of(common, name)
    ]
    if apart:
        variable = f"$tandem_site_header_{own}"
        about = "What sites say otherwise (sites)"
        yield HeaderMap(about, "$server_name", variable, (("default", value), *apart))
        value = variable
    said = [
        (_key(place), _quoted(text))
        for place, headers in places.items()
        if (text := _of(headers, name)) is not None
    ]
    if said:
        variable = f"$tandem_place_header_{own}"
        about = "What places say otherwise (paths)"
        yield HeaderMap(about, PLACE, variable, (("default", value), *said))
        value = variable
    if name == HSTS:
        variable = f"$tandem_tls_header_{own}"
        yield HeaderMap(
            "For so many seconds a browser that was here comes back over TLS only (hsts_s). Said "
            "over TLS alone",
            https,
            variable,
            (("default", '""'), ("on", value)),
        )
        value = variable
    if name.lower() not in SEVERAL:
        about = "Nothing where the answer has it already, from the application or by a snippet"
        entries = (("default", '""'), ('""', value))
        yield HeaderMap(about, f"$sent_http_{own}", f"$tandem_header_{own}", entries)


def _of(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header, whichever case its name is written in."""
    return next((text for each, text in headers.items() if each.lower() == name.lower()), None)


def _key(name: str) -> str:
    """A key that stands for itself, where nginx would give it a meaning. ($server_name is without
    the dot that stands for all names below.)"""
    name = name.removeprefix(".").replace("\\", "\\\\").replace('"', '\\"')
    meant = name.startswith(("~", "\\")) or name in ("default", "hostnames", "include", "volatile")
    return _quoted("\\\\" * meant + name)


def _quoted(text: str) -> str:
    return f'"{text}"'
