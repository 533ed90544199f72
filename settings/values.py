"""What every group of settings is: frozen values, strict about their names."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Values(BaseModel):
    """Strict about names, frozen. A field's description says what would be right."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def in_url(address: object) -> str:
    """An address as URLs have it, and `ss`: IPv6 in brackets."""
    return f"[{address}]" if ":" in str(address) else str(address)
