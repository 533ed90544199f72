"""The reverse proxy's settings: upstreams, what is proxied to them, and the cache.

Written as dicts in the inventory; kept as tuples of frozen values, each with its own name in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from settings.serving.named import UPSTREAM_CALLED, UPSTREAM_NAME, as_upstream, named
from settings.serving.places import Place, matched
from settings.values import LENIENT, PATH_MAX_CHARACTERS, Remedy, Values, zoneless

Retry = Literal[
    "error",
    "timeout",
    "invalid_header",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_403",
    "http_404",
    "http_429",
]
# Who is believed where a setting names nobody: those whom Debian believes.
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# Paths that the default server answers itself.
DRILL_PATH = "/tandem-drill.bin"
OWN_PATHS = ("/tandem-health", "/tandem-page", DRILL_PATH, "/nginx_status")
_SOCKET = re.compile(r"unix:(/\.?[\w@+-][\w.@+-]*)+")
_IPV4 = re.compile(r"[\d.]+")
_HOST = re.compile(r"(?=.{1,253}$)[a-zA-Z0-9]([\w.-]*[a-zA-Z0-9])?")


def _host_and_port(value: str) -> str:
    if _SOCKET.fullmatch(value):
        return value
    host, _, port = value.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError("no port")
    if host.startswith("[") and host.endswith("]"):
        zoneless(IPv6Address(host[1:-1]))
    elif not _HOST.fullmatch(host):
        raise ValueError("no host")
    elif _IPV4.fullmatch(host):
        IPv4Address(host)
    return value


def _name_server(value: str) -> str:
    host, port = value, "53"
    if found := re.fullmatch(r"(\[.*\]|[\d.]+):(\d{1,5})", value):
        host, port = found.groups()
    zoneless(IPv6Address(host[1:-1])) if host.startswith("[") else IPv4Address(host)
    if not 1 <= int(port) <= 65535:
        raise ValueError("no port")
    return value


NameServer = Annotated[str, AfterValidator(_name_server)]


class Server(Values):
    """One server of an upstream; "10.0.0.11:8080" alone stands for its address.

    `max_fails` failures within `fail_timeout_s` take it out for as long.
    """

    address: Annotated[str, AfterValidator(_host_and_port)] = Field(
        description='"HOST:PORT", "ADDRESS:PORT", "[IPv6]:PORT" or "unix:/PATH"'
    )
    weight: int = Field(1, ge=1, le=1000, description="1 to 1000")
    backup: bool = Field(False, description="True or False")
    max_fails: int = Field(1, ge=0, le=1000, description="0 (never taken out) to 1000")
    fail_timeout_s: int = Field(10, ge=1, le=3600, description="1 to 3600 whole seconds")

    @property
    def host(self) -> str:
        """Its address without the port."""
        return self.address.rpartition(":")[0]

    @property
    def is_named(self) -> bool:
        """Whether nginx has to ask a resolver for its address."""
        if self.address.startswith("unix:"):
            return False
        host = self.host
        return not host.startswith("[") and host != "localhost" and not _IPV4.fullmatch(host)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return {"address": given} if isinstance(given, str) else given


class UpstreamTls(Values):
    """How nginx speaks TLS with the servers of an upstream. Files are on this machine.

    `verify`: whether a server has to show a certificate for `name` by an authority of `ca_file`,
    or by one that the machine itself believes.
    """

    name: str = Field(
        "", pattern=r"^([a-zA-Z0-9]([\w.-]*[a-zA-Z0-9])?)?$", description="a host name, no address"
    )
    verify: bool = Field(True, description="True or False")
    ca_file: str = Field("", description="the path of a PEM file with authorities' certificates")
    certificate: str = Field("", description="the path of a PEM file, nginx's own certificate")
    key: str = Field("", description="the path of a PEM file, its key")


def tls_name(tls: UpstreamTls | None, servers: Collection[Server]) -> str:
    """The name in the servers' certificates: as set, or that of all of them; "" for none."""
    hosts = {server.host for server in servers if server.is_named}
    every = len(hosts) == 1 and all(server.is_named for server in servers)
    return (tls.name if tls else "") or (hosts.pop() if every else "")


class Upstream(Values):
    """Servers that answer for one another.

    `resolve`: a server's name is looked up again whenever what is known of it has run out.
    """

    name: str = Field(
        min_length=1,
        pattern=UPSTREAM_NAME,
        description="a name of lower-case letters, digits and hyphens",
    )
    servers: tuple[Server, ...] = Field(
        min_length=1, description='a list of servers, ["10.0.0.11:8080"]'
    )
    balance: Literal["round_robin", "least_conn", "ip_hash"] = Field(
        "round_robin", description='"round_robin", "least_conn" or "ip_hash"'
    )
    keepalive: int = Field(32, ge=0, le=10_000, description="0 to 10000 connections")
    connect_timeout_s: float = Field(2, ge=0.01, le=75, description="0.01 to 75 seconds")
    send_timeout_s: float = Field(30, ge=0.1, le=86400, description="0.1 to 86400 seconds")
    read_timeout_s: float = Field(60, ge=0.1, le=86400, description="0.1 to 86400 seconds")
    retry_on: tuple[Retry, ...] = Field(
        ("error", "timeout"),
        description='a list of "error", "timeout", "invalid_header", "http_500", "http_502", '
        '"http_503", "http_504", "http_403", "http_404", "http_429"',
    )
    retry_non_idempotent: bool = Field(False, description="True or False")
    tries: int = Field(3, ge=1, le=100, description="1 to 100 servers that one request is sent to")
    retry_timeout_s: float = Field(10, ge=0, le=3600, description="0 (no limit) to 3600 seconds")
    websocket: bool = Field(False, description="True or False")
    tls: UpstreamTls | None = Field(
        None, description='{"name": "app.example.org", "ca_file": "ca.pem"}, or None: no TLS'
    )
    resolve: bool = Field(False, description="True or False")

    @property
    def is_here(self) -> bool:
        """Whether its servers are programs of nginx's own machine."""
        return all(server.address.startswith("unix:") for server in self.servers)

    @property
    def tls_name(self) -> str:
        """The name in its servers' certificates, "" for none."""
        return tls_name(self.tls, self.servers)

    @property
    def authorities(self) -> str:
        """The file on the machines with those who may have signed its certificates."""
        own = self.tls and self.tls.ca_file
        return f"tls/upstream-{self.name}.ca.pem" if own else SYSTEM_AUTHORITIES


class Location(Values):
    """One path of the default server's, and the upstream that answers it, in short.

    `cache`: where a cache is set.
    """

    path: Annotated[
        str,
        Field(pattern="^[^=]", max_length=PATH_MAX_CHARACTERS),
        AfterValidator(matched),
    ] = Field(
        description="a path that begins with /, without special marks",
    )
    upstream: str = Field(
        min_length=1, pattern=UPSTREAM_CALLED, description="the name of an upstream"
    )
    cache: bool = Field(True, description="True or False")

    @property
    def place(self) -> Place:
        """The same in full."""
        said = {"cache": self.cache} if "cache" in self.model_fields_set else {}
        given = {"path": self.path, "proxy": self.upstream, **said}
        return Place.model_validate(given, context=LENIENT)


def _by_path(given: Any) -> Any:
    if isinstance(given, str) and (written_out := as_upstream(given)):
        raise Remedy(f'give {{"/": "app"}}, and set {written_out}')
    return given


Upstreams = Annotated[tuple[Upstream, ...], named("name", "servers")]
Locations = Annotated[tuple[Location, ...], named("path", "upstream"), BeforeValidator(_by_path)]
