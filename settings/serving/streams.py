"""TCP and UDP that nginx passes on as it is: streams, by names of a person's choice.

Written as dicts in the inventory; kept as frozen values, each with its own name in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from settings.secret_origins import SecretOrigin, origins
from settings.serving.named import UPSTREAM_CALLED, UPSTREAM_NAME, named
from settings.serving.path_options import Networks
from settings.serving.proxy import SYSTEM_AUTHORITIES, Server, UpstreamTls
from settings.serving.site import Certificate
from settings.values import UNREAD, Remedy, Values

# nginx has them in modules that the recipe's flags leave out.
STREAM_FLAG = "--with-stream"
STREAM_TLS_FLAG = "--with-stream_ssl_module"
STREAM_REALIP_FLAG = "--with-stream_realip_module"


class StreamTls(Values):
    """The certificate that clients are shown, and its key: files of this machine. Without them the
    cluster's, `tls_certificate`."""

    certificate: str = Field("", description="the path of a PEM file")
    key: str = Field("", description="the path of a PEM file")
    key_env: str = Field("", pattern=r"^\w*$", description="the name of a variable")
    key_command: tuple[str, ...] = Field((), description="the words of a command, a list")

    @property
    def key_origins(self) -> tuple[SecretOrigin, ...]:
        """Where its key is had from: one, if that is said."""
        return tuple(origins(vars(self), "key", file="key"))

    @property
    def is_common(self) -> bool:
        """Whether the cluster's certificate is shown."""
        return not self.certificate and not self.key_origins


def _true_or_values(given: Any) -> Any:
    if isinstance(given, bool):
        return {} if given else None
    return given


def _one_port(given: Any, info: ValidationInfo) -> Any:
    """Ports and addresses that somebody may want to have in one stream."""
    if isinstance(given, str) and (found := re.fullmatch(r".*[:\].](\d{1,5})", given)):
        port = found[1]
        raise Remedy(f"give the port alone, {port}: nginx listens on all addresses of a machine")
    spans = isinstance(given, str) and re.fullmatch(r"(\d{1,5}) *[-,] *(\d{1,5}).*", given)
    ports = spans.groups() if spans else given if isinstance(given, list | tuple) else ()
    if not ports or not all(str(port).isdigit() for port in ports):
        return given
    each = [f'"{_name(info)}-{port}": {{"listen": {port}, …}}' for port in ports]
    if spans and "-" in given and int(ports[1]) - int(ports[0]) > 1:
        each.insert(1, "…")
    raise Remedy(f"each port is a stream of its own: {{{', '.join(each)}}}")


def _one_protocol(given: Any, info: ValidationInfo) -> Any:
    """Likewise of protocols."""
    names = re.findall(r"\w+", given) if isinstance(given, str) else given
    if not isinstance(names, list | tuple):
        return given
    if [*names] in (["both"], ["any"]) or {*map(str, names)} == {"tcp", "udp"}:
        port = info.data.get("listen")
        listen = f'"listen": {"…" if port is UNREAD or not port else port}'
        tcp = f'"{_name(info)}-tcp": {{{listen}, …}}'
        udp = f'"{_name(info)}-udp": {{{listen}, "protocol": "udp", …}}'
        raise Remedy(f"each protocol is a stream of its own: {{{tcp}, {udp}}}")
    return given


def _servers(given: Any, info: ValidationInfo) -> Any:
    """A text that is neither a server nor an upstream's name."""
    if not isinstance(given, str):
        return given
    port = info.data.get("listen")
    if re.fullmatch(r"[\w-]+(\.[\w-]+)+", given):
        shown = 1883 if port is UNREAD or not port else port
        raise Remedy(f'a server has a port: give ["{given}:{shown}"], or whichever it has')
    raise Remedy('give a list of servers, ["10.0.0.11:1883"], or the name of an upstream')


def _name(info: ValidationInfo) -> str:
    name = info.data.get("name")
    return "x" if name is UNREAD or not name else str(name)


class Stream(Values):
    """One port, and the servers that what comes there is passed on to.

    `to`: servers; or the name of an upstream, which is kept in `upstream`. `connections`: what one
    address may have at once. `responses`, `requests`: so many datagrams end a session of UDP.
    """

    name: str = Field(
        min_length=1,
        pattern=UPSTREAM_NAME,
        description="a name of lower-case letters, digits and hyphens",
    )
    listen: Annotated[int, BeforeValidator(_one_port)] = Field(
        ge=1, le=65535, description="a port, 1 to 65535"
    )
    protocol: Annotated[Literal["tcp", "udp"], BeforeValidator(_one_protocol)] = Field(
        "tcp", description='"tcp" or "udp"'
    )
    to: Annotated[tuple[Server, ...], BeforeValidator(_servers)] = Field(
        (), description='a list of servers, ["10.0.0.11:1883"], or the name of an upstream'
    )
    upstream: str = Field("", pattern=UPSTREAM_CALLED, description="the name of an upstream")
    balance: Literal["round_robin", "least_conn", "hash"] = Field(
        "round_robin", description='"round_robin", "least_conn" or "hash"'
    )
    connect_timeout_s: float = Field(2, ge=0.01, le=75, description="0.01 to 75 seconds")
    idle_timeout_s: float = Field(600, ge=0.1, le=864_000, description="0.1 to 864000 seconds")
    proxy_protocol: bool = Field(False, description="True or False")
    accept_proxy_protocol: bool = Field(False, description="True or False")
    tls: Annotated[StreamTls | None, BeforeValidator(_true_or_values)] = Field(
        None, description='True, False, or {"certificate": "web.pem", "key": "web.key"}'
    )
    to_tls: UpstreamTls | None = Field(
        None, description='{"name": "app.example.org", "ca_file": "ca.pem"}, or None: no TLS'
    )
    allow: Networks = Field(
        (), description='a list of addresses and networks, ["10.0.0.0/8"], without host bits'
    )
    connections: int | None = Field(None, ge=1, le=100_000, description="1 to 100000 connections")
    responses: int | None = Field(None, ge=0, le=100_000, description="0 to 100000 datagrams")
    requests: int | None = Field(None, ge=1, le=100_000, description="1 to 100000 datagrams")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        """A text with a colon in it is a server, a plain one an upstream's name."""
        if not isinstance(given, Mapping) or not isinstance(to := given.get("to"), str):
            return given
        rest = {name: value for name, value in given.items() if name != "to"}
        if ":" in to:
            return rest | {"to": [to]}
        return rest | {"upstream": to} if re.fullmatch(r"[\w-]{1,200}", to) else given

    @property
    def is_tcp(self) -> bool:
        """Whether it is of connections, and not of datagrams."""
        return self.protocol == "tcp"

    @property
    def file_name(self) -> str:
        """What its files on the machines begin with; no site's and no upstream's do."""
        return f"stream,{self.name}"

    @property
    def authorities(self) -> str:
        """The file on the machines with those who may have signed its servers' certificates."""
        own = self.to_tls and self.to_tls.ca_file
        return f"tls/{self.file_name}.ca.pem" if own else SYSTEM_AUTHORITIES

    @property
    def own_certificate(self) -> Certificate | None:
        """Its own, if it has one."""
        if not self.tls or not self.tls.certificate or not self.tls.key_origins:
            return None
        pair = (self.file_name, self.tls.certificate, self.tls.key_origins[0])
        setting = f"streams[{self.name}].tls."
        return Certificate(*pair, (), setting, certificate_setting="certificate")


Streams = Annotated[tuple[Stream, ...], named("name", "to")]
