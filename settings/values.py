"""The base of every group of settings, and how an address is written in a URL."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
)
from pathlib import Path
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from settings.foreign_names import stands_for

# This repository.
ROOT = Path(__file__).resolve().parent.parent
K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
# How many bits of an IPv6 address say that an IPv4 address follows.
_MAPPED_BITS = 96
G = TypeVar("G", bound="Values")
# The context of a reading that goes on where a value is wrong.
LENIENT = {"lenient": True}


def _as_pairs(given: Any) -> Any:
    return tuple(given.items()) if isinstance(given, Mapping) else given


# Of a setting that every machine of a cluster has to set alike.
SHARED_MARK = "every machine of a cluster sets it alike"
Shared = Annotated[T, SHARED_MARK]
# Written as a dict, which could not be compared with those of the other nodes in a set.
Pairs = Annotated[tuple[tuple[K, V], ...], BeforeValidator(_as_pairs)]


class Words(NamedTuple):
    """Stands in the type of a setting: words that it may be, beside what else it may be."""

    words: tuple[str, ...]


class Remedy(ValueError):
    """A value that cannot be; its text is what would be right, instead of the field's description.

    `within`: what of the value it is, such as one name of a dict; `value`: what stands there.
    """

    def __init__(self, remedy: str, within: str = "", value: object = None):
        self.within, self.value = within, value
        super().__init__(remedy)


def words_of(annotation: Any) -> Iterator[str]:
    """The words that a value of this type may be."""
    if isinstance(annotation, Words):
        yield from annotation.words
    if get_origin(annotation) is Literal:
        yield from (word for word in get_args(annotation) if isinstance(word, str))
    elif not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        for part in get_args(annotation):
            yield from words_of(part)


def kinds_of(annotation: Any) -> Iterator[Any]:
    """What a value of this type may be, of which one is to be."""
    if get_origin(annotation) is Annotated:
        yield from kinds_of(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from kinds_of(part)
    else:
        yield annotation


def has_bool_for_number(annotation: Any, value: Any) -> bool:
    """Whether True or False stands where a number has to: Python takes them for 1 and 0."""
    kinds = tuple(kinds_of(annotation))
    if isinstance(value, bool):
        return bool not in kinds and (int in kinds or float in kinds)
    if isinstance(value, Mapping):
        value = tuple(value.items())
    if not isinstance(value, list | tuple):
        return False
    for kind in kinds:
        if get_origin(kind) is tuple:
            parts = get_args(kind)
            each = parts[:1] * len(value) if parts[1:] == (...,) else parts
            if any(map(has_bool_for_number, each, value)):
                return True
    return False


def alike(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Which of the known names somebody may have meant by `name`, "" where none is near.

    cutoff: from 0 to 1, how much alike two names have to be (difflib's ratio).
    """
    # A leading _ and the case make little difference to who types, and much to how near a name is.
    plain = {each.lower().lstrip("_"): each for each in sorted(known, reverse=True)}
    given = name.lower().lstrip("_")
    # Two letters in each other's place are the likeliest slip, and count for much in short names.
    swapped = [each for each in plain if sorted(each) == sorted(given)]
    close = swapped or difflib.get_close_matches(given, plain, n=1, cutoff=cutoff)
    return plain[close[0]] if close else ""


def zoneless(address: IPv6Address | IPv6Interface) -> IPv6Address | IPv6Interface:
    """`address`. Raises ValueError for one with a zone (fe80::1%eth0), which may be any text."""
    if "%" in str(address):
        raise ValueError("an address without a zone")
    return address


def _with_prefix(given: Any) -> Any:
    """Refuse what ipaddress takes for one address with the prefix /32: text without, a number."""
    if isinstance(given, IPv4Interface | IPv6Interface) or "/" in str(given):
        return given
    raise ValueError("no prefix")


Interface6 = Annotated[IPv6Interface, AfterValidator(zoneless), BeforeValidator(_with_prefix)]
Interface = Annotated[IPv4Interface, BeforeValidator(_with_prefix)] | Interface6


def ipv4_within(network: IPv4Network | IPv6Network) -> IPv4Network | IPv4Address | None:
    """What IPv6 writes as ::ffff:10.0.0.0/104, and who listens for IPv4 sees as 10.0.0.0/8."""
    if not isinstance(network, IPv6Network) or network.prefixlen < _MAPPED_BITS:
        return None
    mapped = network.network_address.ipv4_mapped
    if mapped is None or network.prefixlen == network.max_prefixlen:
        return mapped
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


# Shown as stars wherever it is printed, and left out of what is saved; `get_secret_value()` has it.
HIDDEN = "(secret)"
Secret = Annotated[SecretStr, PlainSerializer(lambda secret: HIDDEN, return_type=str)]


def _unchanged_by_keepalived(secret: SecretStr) -> SecretStr:
    """Refuse what keepalived 2.2 and 2.3 read as something else: comments, quotes, variables."""
    if not re.fullmatch(AUTH_PASS, secret.get_secret_value()):
        raise ValueError("keepalived would read another")
    return secret


# A comment begins at "!" and "#"; quotes, braces, variables ($_PWD) and "\\" are keepalived's own.
AUTH_PASS = r"""[^\x00-\x20\x7f-\U0010ffff!#"$\\{}]{1,8}"""


AuthPass = Annotated[Secret, AfterValidator(_unchanged_by_keepalived)]

# They are written into a unit: no spaces, and nothing that means anything to systemd.
_STEP = r"/\.?[\w@+-][\w.@+-]*"
# nginx reads no word of 4096 bytes: a script's root and name make one, of four bytes a character.
PATH_MAX_CHARACTERS = 500
Directory = Annotated[str, Field(pattern=rf"^({_STEP})+$", max_length=PATH_MAX_CHARACTERS)]
# The same, or "" for none.
DirectoryOrNone = Annotated[str, Field(pattern=rf"^({_STEP})*$", max_length=PATH_MAX_CHARACTERS)]
Home = Annotated[str, Field(pattern=rf"^(/home({_STEP})*|/root({_STEP})+)$")]


def written(value: Any) -> str:
    """A value as it is written in the inventory."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        inside = (f"{written(str(name))}: {written(inner)}" for name, inner in value.items())
        return f"{{{', '.join(inside)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    return str(value)


class NotRead(Exception):
    """Something depends on a value that could not be read."""


class _Unread:
    """Stands for a value that is wrong, so that all others can be judged.

    It refuses to be compared, shown, counted, or asked for anything.
    """

    def _refuse(self, *_: Any) -> NoReturn:
        raise NotRead

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python and pydantic look for many of these by themselves
            raise AttributeError(name)
        raise NotRead

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = _refuse
    __str__ = __repr__ = __format__ = __hash__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __neg__ = __int__ = __float__ = _refuse
    __mul__ = __rmul__ = __index__ = __fspath__ = _refuse


UNREAD: Any = _Unread()


def judged(found: Iterable[T]) -> Iterator[T]:
    """What is found, up to where it depends on a value that could not be read; none about one."""
    try:
        for each in found:
            if not (isinstance(each, tuple) and any(part is UNREAD for part in each)):
                yield each
    except NotRead:
        return


class Values(BaseModel):
    """Frozen values that allow no unknown name. A field's description says what would be right.

    What a field has to be is a part of its type (`AfterValidator`): a lenient reading sees it so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def as_far_as_readable(cls: type[G], data: Mapping[str, Any]) -> G:
        """Of `data` with mistakes: what is none of them; the others, and what is missing, UNREAD.

        For what is wrong besides. Unknown names are left out, and what they may be meant for is
        UNREAD: that it is missing says nothing.
        """
        return cls.model_validate(dict(data), context=LENIENT)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_unknown(cls, given: Any, info: ValidationInfo) -> Any:
        if info.context is not LENIENT or not isinstance(given, Mapping):
            return given
        missing = [name for name, field in cls.model_fields.items() if field.is_required()]
        known = frozenset(cls.model_fields)
        unknown = [str(name) for name in given if name not in known]
        meant = [stands_for(name, known) or alike(name, known) for name in unknown]
        return dict.fromkeys([*missing, *filter(None, meant)], UNREAD) | {
            name: value for name, value in given.items() if name in cls.model_fields
        }

    @field_validator("*", mode="wrap")
    @classmethod
    def _unread_where_wrong(
        cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        if value is UNREAD and info.context is LENIENT:
            return value
        try:
            field = cls.model_fields[str(info.field_name)]
            if has_bool_for_number(field.annotation, value):
                raise ValueError("no number")
            return read(value)
        except (ValueError, NotRead):  # pydantic's own is a ValueError
            if info.context is not LENIENT:
                raise
            return UNREAD


def in_url(address: object) -> str:
    """An address as it is written in a URL, and by `ss`: IPv6 in brackets."""
    return f"[{address}]" if ":" in str(address) else str(address)


def is_address(text: str) -> bool:
    """Whether it is an IP address, and no name that somebody would have to look up."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def local_path(path: str) -> Path:
    """Where `path`, as a setting gives it, is on the controller."""
    return ROOT / Path(path).expanduser()
