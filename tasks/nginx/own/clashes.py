"""Directives that Tandem's configuration and a person's pieces both have, and nginx takes once.

A person's own wins: ours is left out, with a comment that says where theirs is. What a setting says
is refused with its name, unless both say the same; so are locations, and what a whole server has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from settings import Mistake, Node
from settings.nginx_paths import Directive, directives
from settings.own_pieces import HTTP, SERVER, SNIPPETS
from tasks.nginx.own.own_files import ETC, OwnFiles, Snippet
from tasks.nginx.own.right_levels import shown

# What nginx takes more than once at one level, each adding to the others.
_REPEATED = re.compile(
    r"include|server|upstream|map|geo|split_clients|location|if|set|rewrite|return|allow|deny|types"
    r"|log_format|access_log|error_log|error_page|add_header|add_trailer|limit_(req|conn)(_zone)?"
    r"|\w+_cache_path|\w+_set_header|\w+_(hide|pass)_header|\w+_param|\w+_cache_valid"
    r"|\w+_(cache_bypass|no_cache)|proxy_(redirect|cookie_\w+)|set_real_ip_from|\w+_types"
    r"|charset_map|perl_\w+|sub_filter|ssl_certificate(_key)?|\w*ssl_conf_command|auth_request_set"
    r"|js_\w+|\w+_by_lua\w*|more_\w+_headers"
)
# The settings that say what nginx.conf has, by directive.
_SETTINGS = {
    "keepalive_timeout": "keepalive_timeout_s",
    "keepalive_requests": "keepalive_requests",
    "client_header_timeout": "client_header_timeout_s",
    "client_body_timeout": "client_body_timeout_s",
    "send_timeout": "send_timeout_s",
    "resolver": "resolver",
}
# What is above our first map, whoever says it (table_sizes).
LIFTED = ("map_hash_bucket_size", "map_hash_max_size")
_FORMAT, _TYPES = "main", "mime.types"
_ITS_OWN = "tandem"


class Said(NamedTuple):
    """A directive of a person's, outside of every block of theirs.

    + where: FILE:LINE here; place: its file below /etc/nginx.
    """

    one: Directive
    where: str
    place: str


def everything_said(own: OwnFiles, pieces: Iterable[Snippet]) -> Iterator[Said]:
    """Everything that the pieces say themselves, and by what they include."""
    there = {each.place: each for each in own.texts}
    left, seen = list(pieces), set()
    for piece in left:
        if piece.place in seen or piece.place.endswith(".pm"):
            continue
        seen.add(piece.place)
        for one in directives(piece.text):
            if one.words[0] == "include":
                named = one.words[-1].removeprefix(ETC)
                left += [there[named]] if named in there else []
            if one.words[0] != "include" or _is_of_types(one):
                yield Said(one, f"{piece.source}:{one.line}", piece.place)


def _in_http(own: OwnFiles) -> dict[tuple[str, ...], Said]:
    """What they say inside `http { }`, by what must be there once."""
    found: dict[tuple[str, ...], Said] = {}
    for said in everything_said(own, own.of_levels(HTTP, SNIPPETS)):
        name, *words = said.one.words
        if name == "log_format" and words[:1] == [_FORMAT]:
            found[name, _FORMAT] = said
        elif name == "access_log" and words:
            found[name, words[0]] = said
        elif _is_of_types(said.one):
            found[name, _TYPES] = said
        elif not _REPEATED.fullmatch(name) and name not in LIFTED:
            found[(name,)] = said
    return found


def _is_of_types(one: Directive) -> bool:
    """Whether it includes all types once more, of each of which nginx would warn."""
    return one.words[0] == "include" and one.words[-1].removeprefix(ETC) == _TYPES


def _ours(text: str) -> dict[tuple[str, ...], Directive]:
    """The same of a text of ours, whether `http` stands around it or not."""
    every = directives(text)
    inside = [inner for one in every if one.words == ("http",) for inner in one.block] or every
    found: dict[tuple[str, ...], Directive] = {}
    for one in inside:
        name, *words = one.words
        if name in ("log_format", "access_log"):
            found[name, words[0]] = one
        elif _is_of_types(one):
            found[name, _TYPES] = one
        elif not _REPEATED.fullmatch(name):
            found[(name,)] = one
    return found


def without_theirs(texts: Mapping[str, str | bytes], own: OwnFiles) -> dict[str, str | bytes]:
    """Our files of configuration without what a person's pieces say."""
    theirs = _in_http(own)
    return {
        name: _left_out(text, theirs)
        if name in ("nginx.conf", "upstreams.conf") and isinstance(text, str) and theirs
        else text
        for name, text in texts.items()
    }


def _left_out(text: str, theirs: Mapping[tuple[str, ...], Said]) -> str:
    lines = text.split("\n")
    for key, one in _ours(text).items():
        said = theirs.get(key) or (
            theirs.get(("access_log", "off")) if "access_log" in key else None
        )
        if not said:
            continue
        line = lines[one.line - 1]
        if key[0] == "log_format":
            lines[one.line - 1] = line.replace(f" {_FORMAT} ", f" {_ITS_OWN} ", 1)
            continue
        indent = line[: len(line) - len(line.lstrip())]
        # A path may have any character in it, and a comment ends with the line.
        where = " ".join(said.where.split())
        lines[one.line - 1] = f"{indent}# {one.words[0]}: {where} says it."
    text = "\n".join(lines)
    if ("log_format", _FORMAT) in theirs:
        text = re.sub(rf"(\n +access_log +\S+ +){_FORMAT};", rf"\g<1>{_ITS_OWN};", text)
    return text


def mistakes(
    node: Node, own: OwnFiles, ours: Iterable[str], sites: Mapping[str, str]
) -> Iterator[Mistake]:
    """What clashes and cannot be left out.

    + ours: the texts of what Tandem has inside `http { }`; sites: that of each site's file.
    """
    ours = list(ours)
    mine = {key: one for text in ours for key, one in _ours(text).items()}
    for key, said in _in_http(own).items():
        setting = _SETTINGS.get(key[0])
        if setting and key in mine and mine[key].words != said.one.words:
            yield Mistake(
                f"{node.name}, {said.where}",
                said.one.words[0],
                shown(said.one),
                f"{setting} in group_data says it ({' '.join(mine[key].words[1:])}), and nginx "
                "takes it once: set that, and take the line out; inside a `server { }` of your "
                "own it may stay",
            )
    yield from _in_servers(node, own, [*ours, *sites.values()])


def _in_servers(node: Node, own: OwnFiles, texts: Iterable[str]) -> Iterator[Mistake]:
    """What is twice in a server of ours, with the pieces that it includes."""
    for text in texts:
        every = directives(text)
        inside = [inner for one in every if one.words == ("http",) for inner in one.block] or every
        for server in (one for one in inside if one.words == ("server",)):
            read = {one.words[1] for one in server.block if one.words[0] == "include"}
            for level in sorted(own.directories):
                if level.startswith(SERVER) and f"{ETC}{level}/*.conf" in read:
                    pieces = [one for one in own.pieces if one.place.rpartition("/")[0] == level]
                    yield from _twice(node, server, everything_said(own, pieces))


def _twice(node: Node, server: Directive, theirs: Iterable[Said]) -> Iterator[Mistake]:
    mine = {_once(one): one for one in server.block}
    names = [one.words[1] for one in server.block if one.words[0] == "server_name"]
    whose = f"the site {names[0]}" if names and names[0] != "_" else "the default server"
    for said in theirs:
        key, name = _once(said.one), said.one.words[0]
        if not key or key not in mine:
            continue
        where = f"{node.name}, {said.where}"
        if name == "location":
            remedy = (
                f"{whose} has this location already: have it by the settings alone (paths, "
                "proxy, sites), or here under another path"
            )
            yield Mistake(where, name, " ".join(said.one.words[1:]), remedy)
        else:
            own_words = " ".join(mine[key].words)
            remedy = f"{whose} has `{own_words};`, and nginx takes it once: put it into a location"
            yield Mistake(where, name, shown(said.one), remedy)


def _once(one: Directive) -> tuple[str, ...]:
    """What may be in a server once, () for all else."""
    name, *words = one.words
    if name == "location":
        if words[:1] in (["~"], ["~*"]):
            return ()
        return (name, *(word for word in words if word != "^~"))
    return () if _REPEATED.fullmatch(name) else (name,)
