"""Values that a person writes as a dict by their names, and that know their own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator

# Of an upstream; "" for none.
UPSTREAM_NAME = r"^([a-z][a-z0-9-]{0,39})?$"


def named(key: str, field: str = "") -> BeforeValidator:
    """{"a": {...}} as ({key: "a", ...},); a plain value stands for `field`."""

    def as_tuple(given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return tuple(
            {key: name} | (dict(value) if isinstance(value, Mapping) else {field or "?": value})
            for name, value in given.items()
        )

    return BeforeValidator(as_tuple)
