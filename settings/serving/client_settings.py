"""What nginx grants a client: time, connections, requests."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from settings.values import Shared, Values, Words


class RequestLimits(Values):
    """What one address may ask for at once. None: as much as it likes.

    `burst`: requests that may come at once, ahead of the rate; by default those of one second.
    """

    connections: int | None = Field(None, ge=1, le=100_000, description="1 to 100000 connections")
    requests_per_s: int | None = Field(
        None, ge=1, le=100_000, description="1 to 100000 requests a second"
    )
    burst: int | None = Field(None, ge=1, le=1_000_000, description="1 to 1000000 requests")

    @property
    def at_once(self) -> int | None:
        """The burst that nginx is given."""
        return self.burst or self.requests_per_s


class ClientLimits(RequestLimits):
    """What one address may have of a whole machine.

    `new_connections_per_s` is the kernel's to count, before nginx: of those that never ask, too.
    """

    new_connections_per_s: int | None = Field(
        None, ge=1, le=100_000, description="1 to 100000 new connections a second"
    )

    @property
    def new_connections_at_once(self) -> int | None:
        """What may come ahead of that rate: that of five seconds, as for a room full of people who
        open a page together."""
        return self.new_connections_per_s and 5 * self.new_connections_per_s


# Text, and what is as good as text.
_COMPRESSIBLE = (
    *("text/css", "text/plain", "text/javascript", "text/xml", "text/csv", "text/markdown"),
    *("application/javascript", "application/json", "application/manifest+json"),
    *("application/xml", "application/rss+xml", "application/atom+xml", "application/ld+json"),
    *("application/wasm", "image/svg+xml"),
)


def _types(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch(r"[a-z]+/[a-z0-9][a-z0-9.+-]*", each) for each in value):
        raise ValueError("no types")
    # nginx compresses text/html anyway, and warns of a type that is given twice.
    return tuple(each for each in dict.fromkeys(value) if each != "text/html")


class Gzip(Values):
    """What is compressed as it is sent, beside files that are there compressed.

    `applications`: also what other servers answer.
    """

    types: Annotated[tuple[str, ...], AfterValidator(_types)] = Field(
        _COMPRESSIBLE, description='a list of media types, ["text/css"]'
    )
    min_bytes: int = Field(1024, ge=0, le=1_000_000_000, description="0 to 1000000000 bytes")
    level: int = Field(5, ge=1, le=9, description="1 (fast) to 9 (small)")
    applications: bool = Field(False, description="True or False")


def _policy(given: Any) -> Any:
    """ "static" as None, and "text" as all that is said by default."""
    return {"static": None, "text": {}}.get(given, given) if isinstance(given, str) else given


GzipOrStatic = Annotated[Gzip | None, BeforeValidator(_policy), Words(("static", "text"))]


# The first release with the directive `keepalive_min_timeout`.
KEEPS_WHILE_ENDING = (1, 27, 4)


class ClientSettings(Values):
    """The part of a node's settings that is about its clients."""

    listen_backlog: int = Field(511, ge=16, le=65535, description="16 to 65535")
    keepalive_timeout_s: int = Field(65, ge=1, le=86400, description="1 to 86400 whole seconds")
    keepalive_requests: int = Field(1000, ge=1, le=10**9, description="1 to 1000000000")
    client_header_timeout_s: int = Field(10, ge=1, le=3600, description="1 to 3600 whole seconds")
    client_body_timeout_s: int = Field(15, ge=1, le=3600, description="1 to 3600 whole seconds")
    send_timeout_s: int = Field(300, ge=1, le=3600, description="1 to 3600 whole seconds")
    client_limits: ClientLimits | None = Field(
        None,
        description='{"connections": 100, "requests_per_s": 50, "burst": 200, '
        '"new_connections_per_s": 20}, or some of it, or None',
    )

    gzip: Shared[GzipOrStatic] = Field(
        "static",
        validate_default=True,
        description='"static", "text", or {"types": ["text/css"], "min_bytes": 1024}',
    )

    @property
    def limits_connections(self) -> bool:
        """Whether the kernel counts each client's new connections."""
        return bool(self.client_limits and self.client_limits.new_connections_per_s)
