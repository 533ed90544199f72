"""What of a wrong value may be shown: whoever reads a refusal may have no right to the secrets.

A value is a secret by its name, by the name that it is near, or by its looks. Every mistake comes
through `without_secrets` before anybody sees it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any, get_args

from pydantic import SecretStr

from settings.foreign_names import FOREIGN
from settings.node import SECRETS, Node
from settings.values import HIDDEN, UNREAD, Values, alike, local_path

# Stands for what is missing, and is no value.
NOT_SET = "(not set)"
# The settings that say where a secret is: a file, whose path may be shown.
FILES = frozenset(("key", "tls_key", "auth_pass_file", "password_file", "ssh_key"))
SUFFIXES = ("_command", "_env")
_TELLING = re.compile(
    r"(^|_)(pass($|_|phrase)|md5)|pas+w|secret|token|credential|pwd|private_?key|api_?key",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"auth|cookie|secret|token|credential|session|signature|passw|(^|[-_])(key|pass|jwt)([-_]|$)"
    r"|api-?key",
    re.IGNORECASE,
)
_PEM = r"-----BEGIN.*?(?:-----END[^-]*-----|(?=['\"])|\Z)"
# As crypt(5) has it, $ID$SALT$…, which $1$args of nginx's is not; or as LDAP does.
_CRYPT = r"\$(?:1|2[abxy]?|5|6|y|apr1|argon2\w*)\$[^\s'\"$]*\$"
_HASH = rf"[^\s'\"]*(?:{_CRYPT}|\{{S?(?:SHA|MD5|CRYPT)\d*\}})[^\s'\"]{{8,}}"
_TOKEN = r"\b(?:gh[pousr]_|glpat-|xox[abp]-|AKIA|eyJ[\w-]{8,}\.)[\w.-]{8,}"
_LOGIN = r"(?<=://)[^/\s:@'\"]+:[^/\s@'\"]+(?=@)"
_BASIC = r"(?i:(?<=basic ))(?=[^\s'\"]*[\dA-Z=])"
_SCHEME = rf"(?:{_BASIC}|(?i:(?<=bearer )|(?<=digest )))[\w.+/=~-]{{6,}}"
_CARRIER = r"(?i:(?<=authorization: )|(?<=cookie: )|(?<=api-key: ))[^'\"\n]+"
_LOOKS = re.compile("|".join((_PEM, _HASH, _TOKEN, _LOGIN, _SCHEME, _CARRIER)), re.DOTALL)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_PATH = re.compile(r"[\w ./~+@,-]{1,500}(:\d+)?")
_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
# Of a file's path, what stands between two /: a key in one line has longer ones.
_LONGEST_STEP = 40
# A shorter text may be a part of any word.
_LEAST_CHARACTERS = 4


class HiddenValue:
    """Stands for a secret in a mistake: how long it is may be shown."""

    def __init__(self, secret: object):
        self._length = len(str(secret))

    def __repr__(self) -> str:
        return f"({self._length} characters)"


class _Kind(Enum):
    """What is known of a value by its name."""

    PLAIN = 1
    SECRET = 2
    FILE = 3
    VARIABLE = 4
    COMMAND = 5
    HEADERS = 6
    BASIC_AUTH = 7
    # By names that a person has chosen, which say nothing of what is in it.
    NAMED = 8


_BY_NAME = {
    **dict.fromkeys(("upstreams", "streams", "paths", "proxy"), _Kind.NAMED),
    "send_headers": _Kind.HEADERS,
    "headers": _Kind.HEADERS,
    "basic_auth": _Kind.BASIC_AUTH,
    **dict.fromkeys(SECRETS, _Kind.SECRET),
    **dict.fromkeys(FILES, _Kind.FILE),
}


def every_name(model: type[Values] = Node) -> Iterator[str]:
    """The names of all settings, with those of their parts."""
    for name, field in model.model_fields.items():
        yield name
        for inner in models_in(field.annotation):
            yield from every_name(inner)


def models_in(annotation: Any) -> Iterator[type[Values]]:
    """The groups of settings that a type is about."""
    if isinstance(annotation, type) and issubclass(annotation, Values):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


_OF_SECRETS = (_Kind.SECRET, _Kind.FILE, _Kind.BASIC_AUTH)


@cache
def _known() -> frozenset[str]:
    return frozenset(every_name())


@cache
def _secret_names() -> tuple[str, ...]:
    return tuple(name for name in sorted(_known() | {"smtp_password"}) if _is_secrets_own(name))


def _is_secrets_own(name: str) -> bool:
    return name.endswith(SUFFIXES) or _BY_NAME.get(name, _Kind.PLAIN) in _OF_SECRETS


@cache
def _kind(name: str) -> _Kind:
    if found := _BY_NAME.get(name):
        return found
    if name.endswith("_env") and name in _known():
        return _Kind.VARIABLE
    if name.endswith("_command"):
        return _Kind.COMMAND
    if name in _known() or name in FOREIGN:
        return _BY_NAME.get(FOREIGN.get(name, ""), _Kind.PLAIN)
    if _TELLING.search(name) or alike(name, _secret_names(), cutoff=0.75):
        return _Kind.SECRET
    return _Kind.HEADERS if alike(name, ("send_headers",), cutoff=0.75) else _Kind.PLAIN


def _within(kind: _Kind, name: str) -> _Kind:
    """What is known of a part of a value, by the part's name."""
    if kind is _Kind.PLAIN:
        return _Kind.SECRET if _HEADER_NAME.fullmatch(name) else _kind(name)
    if kind is _Kind.NAMED:
        return _Kind.PLAIN
    if kind is _Kind.HEADERS:
        return _Kind.SECRET if _HEADER.search(name) else kind
    if kind is _Kind.BASIC_AUTH:
        return {"file": _Kind.FILE, "realm": _Kind.PLAIN}.get(name, _Kind.SECRET)
    return kind


_HEADER_NAME = re.compile(r"(?i:(proxy-)?authorization|cookie|set-cookie|x-api-key|x-auth-token)")


def _hides(kind: _Kind, text: str) -> bool:
    """Whether this text is not to be shown."""
    if text in (NOT_SET, HIDDEN, ""):
        return False
    if _LOOKS.search(text):
        return True
    if kind is _Kind.HEADERS:
        # As nginx has it: NAME VALUE.
        name, *value = text.split(maxsplit=1)
        return bool(value and _HEADER.search(name))
    if kind is _Kind.VARIABLE:
        return not _VARIABLE.fullmatch(text)
    if kind in (_Kind.FILE, _Kind.BASIC_AUTH):
        return not _is_path(text)
    return kind in (_Kind.SECRET, _Kind.COMMAND)


def _is_path(text: str) -> bool:
    if not _PATH.fullmatch(text):
        return False
    longest = max(map(len, text.split("/")))
    is_written_so = "/" in text and longest <= _LONGEST_STEP
    has_ending = re.search(r"\.[A-Za-z]\w{1,9}(:\d+)?$", text)
    return bool(is_written_so or has_ending) or local_path(text).exists()


def _is_program(word: object) -> bool:
    return isinstance(word, str) and bool(
        re.fullmatch(r"/[\w./-]+", word) or (re.fullmatch(r"[\w.-]+", word) and shutil.which(word))
    )


class _Reading:
    """One value that is looked through.

    `hidden`: the texts that were found to be secrets. `has_values`: whether there are settings in
    it that were read already.
    """

    def __init__(self) -> None:
        self.hidden: list[str] = []
        self.has_values = False

    def shown(self, kind: _Kind, value: Any) -> Any:
        """`value`, with `HiddenValue` for each secret in it."""
        match value:
            case None | HiddenValue() | SecretStr():
                return value
            case bool() if kind is not _Kind.SECRET:
                return value
            case str():
                return self._hide(value) if _hides(kind, value) else value
            case Mapping():
                return {
                    self.shown(_Kind.PLAIN, name): self.shown(_within(kind, str(name)), inner)
                    for name, inner in value.items()
                }
            case (str(name), inner) if kind is _Kind.HEADERS:
                return type(value)((name, self.shown(_within(kind, name), inner)))
            case list() | tuple():
                first = value[:1] if kind is _Kind.COMMAND and value else ()
                if first and _is_program(first[0]):
                    return [first[0], *(self.shown(kind, each) for each in value[1:])]
                return [self.shown(kind, each) for each in value]
            case Values():
                # As a person has written it; what could not be read has a mistake of its own.
                self.has_values = True
                said = {name: getattr(value, name) for name in sorted(value.model_fields_set)}
                return self.shown(
                    kind, {name: inner for name, inner in said.items() if inner is not UNREAD}
                )
        return self._hide(value) if kind is _Kind.SECRET else value

    def _hide(self, value: object) -> HiddenValue:
        text = str(value)
        # A path of several lines, and whatever else is hidden, is nowhere in the words around it.
        self.hidden += [text, repr(text)[1:-1], *_written_otherwise(text)]
        return HiddenValue(text)

    def without(self, text: str) -> str:
        """`text` without the secrets that were found."""
        for secret in sorted(self.hidden, key=len, reverse=True):
            if len(secret) >= _LEAST_CHARACTERS:
                # (A word of our own may have it within: "other" in "another".)
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "(…)", text)
        return _LOOKS.sub("(…)", text)


def without_secrets(setting: str, value: object, remedy: str) -> tuple[str, object, str]:
    """The same three, of a mistake, as they may be shown."""
    kind = _Kind.PLAIN
    for in_brackets, name in _STEP.findall(setting):
        # (What stands in brackets after a plain name is a number, or a person's name for it.)
        if not in_brackets or kind not in (_Kind.PLAIN, _Kind.NAMED):
            kind = _within(_Kind.PLAIN if kind is _Kind.NAMED else kind, in_brackets or name)
    reading = _Reading()
    shown = reading.shown(kind, value)
    shown = shown if reading.hidden or reading.has_values else value
    if not reading.hidden and not _LOOKS.search(f"{setting}{shown}{remedy}"):
        return setting, shown, remedy
    if not isinstance(shown, str | list | dict | HiddenValue):
        shown = _Text(reading.without(str(shown)))
    return reading.without(setting), shown, reading.without(remedy)


def _written_otherwise(text: str) -> Iterator[str]:
    """A secret as a remedy may have it: what stands behind a header's name, in quotation marks."""
    behind = text.strip().rstrip(";").partition(" ")[2].removesuffix(" always").strip()
    for part in (text, behind, behind.strip("\"'")):
        yield from (part, json.dumps(part, ensure_ascii=False)[1:-1])


class _Text:
    """A value that is already as it is to be shown."""

    def __init__(self, text: str):
        self._text = text

    def __repr__(self) -> str:
        return self._text
