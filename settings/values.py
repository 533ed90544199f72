"""The base of every group of settings, and how an address is written in a URL."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Values(BaseModel):
    """Frozen values that allow no unknown name. A field's description says what would be right."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def in_url(address: object) -> str:
    """An address as it is written in a URL, and by `ss`: IPv6 in brackets."""
    return f"[{address}]" if ":" in str(address) else str(address)
