"""What a path of a site may have beside what answers it, and what such texts have to be.

Said of one path, of a site for all its paths, or of the cluster for all of them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from settings.network.written_networks import network_in
from settings.serving.client_settings import RequestLimits
from settings.serving.kept_answers import KEPT, KeptOrNot
from settings.values import UNREAD, Pairs, Remedy, Values, Words, ipv4_within

# Variables of nginx that a redirect or a header's value may have in it. Not $uri: a line's end in
# it (%0A in the request) would begin another header.
VARIABLES = frozenset(
    (
        *("args", "host", "hostname", "http_host", "https", "is_args", "remote_addr"),
        *("remote_port", "request_id", "request_method", "request_uri", "scheme", "server_addr"),
        *("server_name", "server_port", "server_protocol", "ssl_cipher", "ssl_client_fingerprint"),
        *("ssl_client_s_dn", "ssl_client_verify", "ssl_protocol"),
    )
)
# And whatever a client sends: a header, a word of the query, a cookie. No line's end is in it.
_SENT = re.compile(r"(http|arg|cookie)_\w+")
_VARIABLE = re.compile(r"\$(\{\w*\}|\w*)")
# What ends a word, a directive or a block of nginx's configuration, and what it would escape.
_UNSAFE = re.compile(r"""["\\\x00-\x1f\x7f]""")
# nginx reads no word of 4096 bytes or more: quotation marks count, and what Tandem writes besides.
TEXT_MAX_BYTES = 4000
# What a variable may be longer as proxies in front have it (front_settings): $tandem_scheme.
_LONGER_BYTES = len("tandem_")
# What certificate authorities ask for, over HTTP (RFC 8555): somebody's own place may be there, and
# whoever asks may.
CHALLENGES = "/.well-known/acme-challenge/"
HEADER_NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"


def short_enough(value: str) -> str:
    """Refuse what nginx would not read in one."""
    if len(value.encode()) + value.count("$") * _LONGER_BYTES > TEXT_MAX_BYTES:
        raise ValueError("a long text")
    return value


def text_fault(value: str) -> str:
    """Why nginx would not take it as it stands between double quotes, "" if it would."""
    if found := _UNSAFE.search(value):
        mark = "the end of a line" if found[0] in "\r\n" else found[0] if found[0] > " " else ""
        return f"{mark or 'a control character'} cannot be in it: leave it out"
    for found in _VARIABLE.finditer(value):
        name = found[1].strip("{}")
        if not name:
            return "a $ begins the name of one of nginx's variables, and cannot be in it by itself"
        if name not in VARIABLES and not _SENT.fullmatch(name):
            known = ", ".join(f"${each}" for each in sorted(VARIABLES))
            return (
                f"{found[0]} cannot be in it; of nginx's variables there may be $http_NAME, "
                f"$arg_NAME, $cookie_NAME, {known}"
            )
    return ""


def _nginx_text(value: str) -> str:
    """Refuse what nginx would not take as it stands between double quotes."""
    if fault := text_fault(short_enough(value)):
        raise Remedy(fault)
    return value


def _headers(value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    for name, text in value:
        if not re.fullmatch(HEADER_NAME, name):
            raise Remedy(
                "a header's name begins with a letter, and has letters, digits, - and _, 64 at "
                "the most",
                name,
                text,
            )
        if fault := text_fault(short_enough(text)):
            raise Remedy(fault, name, text)
    return value


def _network(value: str) -> str:
    network = network_in(value)
    if plain := ipv4_within(network):
        raise Remedy(f"a client of IPv4 never comes from there: give {plain}")
    return str(network)


def _once(value: tuple[str, ...]) -> tuple[str, ...]:
    """Each network once: nginx would warn of another."""
    return tuple(dict.fromkeys(value))


def _one_name(given: Any) -> Any:
    if isinstance(given, list | tuple):
        raise Remedy(f"one file answers for a directory: give its name, {next(iter(given), '')!r}")
    return given


# In nginx's configuration it stands between double quotes.
NginxText = Annotated[str, AfterValidator(_nginx_text)]
HeaderName = Annotated[str, Field(pattern=HEADER_NAME)]
Headers = Annotated[Pairs[str, str], AfterValidator(_headers)]
Network = Annotated[str, AfterValidator(_network)]
Networks = Annotated[tuple[Network, ...], AfterValidator(_once)]


class BasicAuth(Values):
    """Who may come in: names and passwords, in a file of this machine that `htpasswd` has made."""

    file: str = Field(min_length=1, description="the path of a file that htpasswd has made")
    realm: NginxText = Field(
        "Restricted", description='text without " and \\, 4000 bytes at the most'
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: object) -> object:
        return {"file": given} if isinstance(given, str) else given


class PathOptions(Values):
    """What a path has, whatever answers it, where that can have it."""

    index: Annotated[str, BeforeValidator(_one_name)] = Field(
        "index.html", pattern=r"^[\w.-]+$", description="a file's name, such as index.html"
    )
    listing: bool = Field(False, description="True or False")
    cache: KeptOrNot = Field(KEPT, description='True, False, or {"valid_s": {"200": 60}}')
    buffering: bool = Field(True, description="True or False")
    request_buffering: bool = Field(True, description="True or False")
    host: Annotated[str, Words(("$host", "$http_host"))] = Field(
        "$host",
        pattern=r"^(\$host|\$http_host|[\w.-]+(:\d{1,5})?)$",
        description='a host name, or "$host"',
    )
    read_timeout_s: float | None = Field(
        None, ge=0.1, le=86400, description="0.1 to 86400 seconds, or None: as of the upstream"
    )
    send_timeout_s: float | None = Field(
        None, ge=0.1, le=86400, description="0.1 to 86400 seconds, or None: as of the upstream"
    )
    max_body_mb: int | None = Field(
        None, ge=0, le=1_000_000, description="0 (no limit) to 1000000 megabytes, or None"
    )
    send_headers: Headers = Field(
        (),
        description='headers for the application, {"X-Script-Name": "/api"}, of 4000 bytes at the '
        "most",
    )
    hide_headers: tuple[HeaderName, ...] = Field(
        (), description='headers that clients do not see, ["X-Powered-By"]'
    )
    allow: Networks = Field(
        (), description='a list of addresses and networks, ["10.0.0.0/8"]; all others get 403'
    )
    basic_auth: BasicAuth | None = Field(
        None, description='{"file": "sites/staff.htpasswd", "realm": "Staff"}, or None'
    )

    limits: RequestLimits | None = Field(
        None, description='{"connections": 10, "requests_per_s": 5, "burst": 20}, or None'
    )

    @property
    def said(self) -> dict[str, object]:
        """Those that somebody has set."""
        return {name: getattr(self, name) for name in self.model_fields_set & OPTIONS}


class PathDefaults(PathOptions):
    """What is said for all paths of a site, or of the cluster."""

    headers: None = Field(
        None, description="`headers` itself, beside path_defaults: it holds for all paths"
    )


OPTIONS = frozenset(PathOptions.model_fields)


def said_by(options: PathOptions | None) -> dict[str, object]:
    """What somebody has set for all paths, by name."""
    return {} if options is None or options is UNREAD else options.said
