"""Sizes of nginx's tables that Tandem's configuration and a person's both fill: the larger holds.

nginx settles those of maps at the first `map`, and takes a line after that for the second of two.
Tandem's maps stand before what people bring, so a person's line is lifted above them, and out of
its file. Those of types it reads at the end: one that is too small for Tandem's list is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from settings import Node
from settings.own_pieces import HTTP, SNIPPETS
from tasks.nginx.nginx_files import TYPES_BUCKET, TableSize
from tasks.nginx.own import clashes
from tasks.nginx.own.own_files import ETC, Companion, OwnFiles
from tasks.nginx.response_headers import response_headers

# nginx's own, where nothing is said: for keys as short as those that Tandem has without a size.
_MAP_BUCKET, _TYPES_MAX = 64, 1024
_MAP_BUCKETS, _MAP_MAX = "map_hash_bucket_size", "map_hash_max_size"
_TYPES = {"types_hash_bucket_size": TYPES_BUCKET, "types_hash_max_size": _TYPES_MAX}


def lifted(node: Node, own: OwnFiles) -> tuple[OwnFiles, dict[str, TableSize]]:
    """A person's files without such lines, and what nginx.conf says of maps in their place."""
    least = {
        _MAP_BUCKETS: response_headers(node).bucket_size or _MAP_BUCKET,
        _MAP_MAX: 0,
        **_TYPES,
    }
    texts: dict[str, str] = {one.place: one.text for one in own.texts}
    sizes: dict[str, TableSize] = {}
    for said in clashes.everything_said(own, own.of_levels(HTTP, SNIPPETS)):
        name, *words = said.one.words
        if name not in least or not (len(words) == 1 and words[0].isdecimal()):
            continue
        value = int(words[0])
        if name not in _TYPES:
            found = sizes.get(name, TableSize(least[name], ""))
            sizes[name] = found if found.value > value else TableSize(value, said.where)
            comment = f"{name}: {ETC}nginx.conf says it, above the first map."
        elif value < least[name]:
            comment = f"{name} {value}: left out, Tandem's list of types takes {least[name]}."
        else:
            continue
        texts[said.place] = _without(texts[said.place], name, said.one.line, comment)
    return _with_texts(own, texts), sizes


def _without(text: str, name: str, line: int, comment: str) -> str:
    """`text` without that directive, which begins on that line. No other line gets another
    number."""
    start = sum(len(each) + 1 for each in text.split("\n")[: line - 1])
    found = re.compile(rf"(?<![\w$#-]){name}\s[^;]*;").search(text, start)
    if not found:
        return text
    rest = text[found.end() :].partition("\n")[0].strip()
    instead = f"# {comment}" if not rest or rest.startswith("#") else ""
    return text[: found.start()] + instead + "\n" * found[0].count("\n") + text[found.end() :]


def _with_texts(own: OwnFiles, texts: Mapping[str, str]) -> OwnFiles:
    before = {one.place: one.text for one in own.texts}
    changed = {place for place in texts if texts[place] != before[place]}

    def brought(one: Companion) -> Companion:
        return replace(one, content=texts[one.path].encode()) if one.path in changed else one

    pieces = (replace(one, text=texts[one.place]) for one in own.pieces)
    return replace(own, pieces=tuple(pieces), brought=tuple(map(brought, own.brought)))
