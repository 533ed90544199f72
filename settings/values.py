"""The base of every group of settings, and how an address is written in a URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

K = TypeVar("K")
V = TypeVar("V")


def _as_pairs(given: Any) -> Any:
    return tuple(given.items()) if isinstance(given, Mapping) else given


# Written as a dict, which could not be compared with those of the other nodes in a set.
Pairs = Annotated[tuple[tuple[K, V], ...], BeforeValidator(_as_pairs)]


class Values(BaseModel):
    """Frozen values that allow no unknown name. A field's description says what would be right."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def in_url(address: object) -> str:
    """An address as it is written in a URL, and by `ss`: IPv6 in brackets."""
    return f"[{address}]" if ":" in str(address) else str(address)
