"""The base of every group of settings, and how an address is written in a URL."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Interface
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SecretStr

# This repository.
ROOT = Path(__file__).resolve().parent.parent
K = TypeVar("K")
V = TypeVar("V")


def _as_pairs(given: Any) -> Any:
    return tuple(given.items()) if isinstance(given, Mapping) else given


# Written as a dict, which could not be compared with those of the other nodes in a set.
Pairs = Annotated[tuple[tuple[K, V], ...], BeforeValidator(_as_pairs)]


# Shown as stars wherever it is printed, and left out of what is saved; `get_secret_value()` has it.
HIDDEN = "(secret)"
Secret = Annotated[SecretStr, PlainSerializer(lambda secret: HIDDEN, return_type=str)]

# They are written into a unit: no spaces, and nothing that means anything to systemd.
_STEP = r"/\.?[\w@+-][\w.@+-]*"
Directory = Annotated[str, Field(pattern=rf"^({_STEP})+$")]
Home = Annotated[str, Field(pattern=rf"^(/home({_STEP})*|/root({_STEP})+)$")]


class Values(BaseModel):
    """Frozen values that allow no unknown name. A field's description says what would be right."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def zoneless(address: IPv6Address | IPv6Interface) -> IPv6Address | IPv6Interface:
    """`address`. Raises ValueError for one with a zone (fe80::1%eth0), which may be any text."""
    if "%" in str(address):
        raise ValueError("an address without a zone")
    return address


def in_url(address: object) -> str:
    """An address as it is written in a URL, and by `ss`: IPv6 in brackets."""
    return f"[{address}]" if ":" in str(address) else str(address)


def local_path(path: str) -> Path:
    """Where `path`, as a setting gives it, is on the controller."""
    return ROOT / Path(path).expanduser()
