"""Values that a person writes as a dict by their names, and that know their own name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator

# Of an upstream; "" for none.
UPSTREAM_NAME = r"^([a-z][a-z0-9-]{0,39})?$"
# Where one is named that may not be there: such as a server's address, which stands in `upstreams`.
UPSTREAM_CALLED = r"^[\w.:/\[\]-]{0,200}$"
_ADDRESS = re.compile(r"(?:(https?|grpcs?)://)?(\[[\da-fA-F:.]+\]|[\w.-]+?)(?::(\d{1,5}))?(?:/.*)?")


def as_upstream(text: str, name: str = "app") -> str:
    """The setting that a server, by its URL or as HOST:PORT, has to stand in; "" for what is none.
    `name`: what it is called there."""
    if text.startswith("unix:/"):
        return f'upstreams = {{"{name}": {{"servers": ["{text}"]}}}}'
    found = _ADDRESS.fullmatch(text)
    if not found or not (found[1] or found[3]):
        return ""
    scheme, host, port = found.groups()
    encrypted = scheme in ("https", "grpcs")
    servers = f'"servers": ["{host}:{port or (443 if encrypted else 80)}"]'
    tls = ', "tls": {"name": "the name in its certificate"}' if encrypted else ""
    return f'upstreams = {{"{name}": {{{servers}{tls}}}}}'


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
