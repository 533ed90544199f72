"""Which headers nginx adds to answers by its own configuration, beside the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from settings import Node
from settings.serving.header_settings import HSTS
from settings.serving.http_versions import ALT_SVC, TOLD
from settings.serving.serving_settings import DEFAULT_SERVER
from settings.serving.site import Site
from verify.read.blocks import Block

# What a map is asked for by: where it is not known yet, the answer has no such header so far.
Known = Mapping[str, str]
MAPS_DEEP = 8
# What stands in the place of one (verify/redaction.py).
SECRET = "(secret "
# Whether a proxy in front has asked, and by TLS.
DIRECTLY = "$tandem_in_front $https"


def added_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with the headers of each server and place. `root`: without people's own."""
    for which in _with_own_headers(root, set(_added_in(root, "http"))):
        yield f"{which} has add_header, and so none of those at http level"
    wanted = {DEFAULT_SERVER: (DEFAULT_SERVER, _headers_of(node, None), node.places)}
    wanted |= {
        site.name: (site.server_names[0], _headers_of(node, site), site.places)
        for site in node.sites
    }
    # What is known as the client has asked is not looked up further (trusted_proxies).
    asked = {each: each for each in map(node.as_asked, ("$scheme", "$server_port"))}
    asked[node.as_asked("$https")] = "on" if node.tls else ""
    # (Who comes by TLS, and through no proxy.)
    asked |= {"$https": "on", DIRECTLY: "0 on"} if node.speaks_http3 else {}
    for server, (name, headers, places) in wanted.items():
        known = asked | {"$server_name": name.removeprefix(".")}
        yield from _differing(root, known, headers, server)
        for place in places:
            if place.headers:
                marked = known | {"$tandem_place": node.files_name(server, place)}
                whole = _with(headers, node.headers_as_asked(dict(place.headers)))
                yield from _differing(root, marked, whole, f"{server}{place.location}")
    if node.tls:
        plain = asked | {node.as_asked("$https"): ""}
        yield from _differing(root, plain, {}, "plain HTTP", only=HSTS)
    if node.speaks_http3 and node.headers_of(None).get(ALT_SVC) == TOLD:
        another = asked | {"$server_name": "(another)"}
        yield from _differing(root, another, {}, "a server of your own", only=ALT_SVC)
        plain = asked | {"$server_name": DEFAULT_SERVER, "$https": "", DIRECTLY: "1 on"}
        yield from _differing(root, plain, {}, "who cannot come so", only=ALT_SVC)


def _headers_of(node: Node, site: Site | None) -> dict[str, str]:
    """A server's headers, with what it tells of HTTP/3 in the place of the variable."""
    told = node.alt_svc if node.http3_of(site) else ""
    headers = node.headers_as_asked(node.headers_of(site))
    return {name: told if text == TOLD else text for name, text in headers.items()}


def _with_own_headers(block: Block, common: Set[tuple[str, ...]]) -> Iterator[str]:
    """Each server and location that adds some itself, as it is written, unless it adds all of
    `common` as well (by including the same file)."""
    for inner in block.block:
        own = set(_added_in(inner))
        if inner.words[0] in ("server", "location", "if") and own and not common <= own:
            yield " ".join((*inner.words, inner.last("server_name"))).strip()
        yield from _with_own_headers(inner, common)


def _added_in(block: Block, *path: str) -> Iterator[tuple[str, ...]]:
    return (line.words for line in block.every(*path, "add_header"))


def _with(headers: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """What is sent for a place: its own in the place of those of the same name."""
    names = {name.lower() for name in own}
    kept = {name: value for name, value in headers.items() if name.lower() not in names}
    return kept | dict(own)


def _differing(
    root: Block, known: Known, wanted: Mapping[str, str], where: str, only: str = ""
) -> Iterator[str]:
    found: dict[str, str] = {}
    hidden: set[str] = set()
    for line in root.every("http", "add_header"):
        name, value, *more = (*line.words[1:], "")
        sent = _value(root, value, known)
        if _is_hidden(root, value):
            hidden.add(name.lower())
        elif sent and (not only or name == only):
            if name.lower() in found:
                yield f"{name} is added twice"
            if "always" not in more:
                yield f"{name} is not added to errors (always)"
            found[name.lower()] = sent
    said = {name.lower(): known.get(value, value) for name, value in wanted.items()}
    right = {name: value for name, value in said.items() if value}
    for name in sorted((found.keys() | right.keys()) - hidden):
        if found.get(name) != right.get(name):
            is_, not_ = found.get(name, "not added"), right.get(name, "nothing")
            yield f"{name} of {where} is {is_}, not {not_}"


def _is_hidden(root: Block, text: str, deep: int = MAPS_DEEP) -> bool:
    """Whether a part of what a header's value may be was taken out of the answer as a secret."""
    if not deep or SECRET in text:
        return SECRET in text
    asked = [each for each in root.every("http", "map") if each.words[2:3] == (text,)]
    words = (word for each in asked for line in each.block for word in line.words)
    return any(_is_hidden(root, word, deep - 1) for word in words)


def _value(root: Block, text: str, known: Known, deep: int = MAPS_DEEP) -> str:
    """What `text` is for a request of which `known` is known: a map's variable is looked up."""
    asked = [each for each in root.every("http", "map") if each.words[2:3] == (text,)]
    if not asked or text in known or not deep:
        return known.get(text, text)
    source = asked[0].words[1]
    key = _value(root, source, known, deep - 1) if source else ""
    if key.startswith("$"):
        key = ""
    entries = {line.words[0]: line.words[1] for line in asked[0].block if len(line.words) > 1}
    escaped = {name.removeprefix("\\"): value for name, value in entries.items()}
    chosen = escaped.get(key, entries.get("default", ""))
    return _value(root, chosen, known, deep - 1)
