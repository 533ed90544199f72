"""The names a site answers to, as nginx knows them: plain ones, wildcards, regular expressions."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from settings.values import Remedy

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_PLAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_WILD = re.compile(rf"(?=.{{1,255}}\Z)(\*?\.{_LABEL}(\.{_LABEL})*|{_LABEL}(\.{_LABEL})*\.\*)")
# A longer one would make names of files that are too long, with a path behind it.
_LONGEST_FILE_NAME = 100
# Of the variables of nginx that a part of a name cannot be called: they are its own.
_BUILT_IN = re.compile(
    r"(arg|cookie|http|sent_http|upstream|ssl|proxy|realpath|request|server|tcpinfo|time)(_|\Z)"
    r"|(args|uri|host|hostname|scheme|status|limit_rate|pid|pipe|msec|https|is_args|http2|http3"
    r"|remote_(addr|port|user)|document_(root|uri)|query_string|nginx_version|body_bytes_sent"
    r"|bytes_sent|binary_remote_addr|content_(length|type)|connection|connection_requests"
    r"|gzip_ratio|invalid_referer)\Z"
)
# nginx reads no word that is longer than 4096 bytes, and takes a comment for one.
_LONGEST_REGEX = 500
# nginx's own sizes, and what a name takes of the first beside its letters, on 64-bit machines.
_BUCKET_BYTES, _NAMES = 64, 512
_POINTER_BYTES = 8


_PCRE_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
# (Where one stands in brackets, a class of its own in them is no fault for Python either.)
_ALIKE = {"h": r"\s", "H": r"\S", "R": r"\s", "K": "", "v": r"\s", "V": r"\S", "N": ".", "X": "."}


class HashSizes(NamedTuple):
    """The sizes of nginx's table of names; None: nginx's own do.

    `longest`: the letters of the longest name. `bucket_bytes`, `entries`: what nginx is told.
    """

    longest: int
    bucket_bytes: int | None
    entries: int | None


def normal(name: str) -> str:
    """A name in small letters, and letters beyond ASCII as DNS has them. Raises ValueError."""
    if name.startswith("~*"):
        raise Remedy("names are compared in small letters anyway: leave out the *")
    if name.startswith("~"):
        if not 2 <= len(name) <= _LONGEST_REGEX or not name.isprintable():
            raise ValueError("no expression")
        return name
    if host := re.fullmatch(r"(.+):\d+", name):
        raise Remedy(f'names have no ports: write "{host[1]}"')
    if re.search(r"[^.]\.$", name):
        raise Remedy(f'a name has no dot at its end here: write "{name[:-1]}"')
    found = ".".join(map(_in_ascii, unicodedata.normalize("NFC", name).lower().split(".")))
    if not _PLAIN.fullmatch(found) and not _WILD.fullmatch(found):
        raise ValueError("no name")
    return found


def _in_ascii(label: str) -> str:
    if label.isascii():
        return label
    if not all(one.isalnum() or one == "-" or unicodedata.combining(one) for one in label):
        raise ValueError("no letters")
    return f"xn--{label.encode('punycode').decode()}"


def is_regex(name: str) -> bool:
    """Whether it is a regular expression."""
    return name.startswith("~")


def is_open(name: str) -> bool:
    """Whether nobody can say which names it stands for: an expression, or "www.example.*"."""
    return is_regex(name) or name.endswith(".*")


def regex_fault(name: str) -> str:
    """Why nginx would refuse an expression, "" if nothing is known. Python's own judges, which has
    what PCRE has but for rarities: these are judged as what is like them."""
    alike = re.sub(r"\(\?<(?![=!])", "(?P<", name[1:])
    alike = _PCRE_ESCAPE.sub(lambda one: one[0] if one[1] not in _ALIKE else _ALIKE[one[1]], alike)
    try:
        found = re.compile(alike)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    taken = [group for group in found.groupindex if _BUILT_IN.match(group)]
    return f"${taken[0]} is nginx's own variable" if taken else ""


def spelled_out(name: str) -> tuple[str, ...]:
    """ ".example.org" is two names."""
    return (name[1:], f"*{name}") if re.match(r"\.[^.]", name) else (name,)


def certified(names: Iterable[str]) -> tuple[str, ...]:
    """What a certificate for these has to have, as far as somebody can say."""
    return tuple(each for name in names if not is_open(name) for each in spelled_out(name))


def asked_as(names: Iterable[str]) -> str:
    """A plain name that these answer to, "" where they are regular expressions alone."""
    each = (name for name in names if not is_regex(name))
    wild = sorted(each, key=lambda name: "*" in name)
    return wild[0].lstrip(".").replace("*", "tandem") if wild else ""


def file_name(name: str) -> str:
    """What the site of this first name is called on the machines. A plain name is itself; + is in
    no name, so that no two are called alike."""
    if _PLAIN.fullmatch(name) and len(name) <= _LONGEST_FILE_NAME:
        return name
    short = name.replace("*", "+") if name.startswith("*") or name.endswith("*") else f"+{name}"
    if not is_regex(name) and len(short) <= _LONGEST_FILE_NAME:
        return short
    readable = re.sub(r"[^a-z0-9_-]+", ".", name.lower()).strip(".-")[:40].rstrip(".-")
    return f"{readable}+{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def in_nginx(name: str) -> str:
    """A name as it stands in nginx's configuration."""
    if re.fullmatch(r"([^\s{};\"'#\\$]|\\[^trn\"'\\]|\$(?![\w{]))+", name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def hash_sizes(names: Iterable[str]) -> HashSizes:
    """How large nginx's table has to be for these names: with the longest of them, it would not
    start; with many in a small one, it warns and gets slow."""
    every = {each for name in names if not is_regex(name) for each in spelled_out(name)}
    return table_sizes(map(len, every), _NAMES)


def table_sizes(lengths: Iterable[int], entries: int) -> HashSizes:
    """The same for any table of nginx's, of the lengths of what is in it. `entries`: its
    ..._max_size where nobody says it."""
    every = list(lengths)
    longest = max(every, default=0)
    of_one = _POINTER_BYTES + -(-(longest + 2) // _POINTER_BYTES) * _POINTER_BYTES
    # Of many names several share a bucket, whatever the table's size.
    shared = 1 if len(every) <= 16 else 4 if len(every) <= 500 else 8
    bucket, wanted = _BUCKET_BYTES, entries
    while bucket < shared * of_one + _POINTER_BYTES:
        bucket *= 2
    while wanted < 2 * len(every):
        wanted *= 2
    return HashSizes(
        longest,
        bucket if bucket > _BUCKET_BYTES else None,
        wanted if wanted > entries else None,
    )
