"""What answers a path of a site: files, one line, another address, or an application.

Written as dicts in the inventory, {"/api/": {"proxy": "app"}}; kept as frozen values, each with its
path in it.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from settings.serving.client_settings import RequestLimits
from settings.serving.named import UPSTREAM_NAME, named
from settings.values import DirectoryOrNone, Pairs, Values

# A place is one of these.
FILES = ("content", "directory")
PASSED_ON = ("proxy", "grpc", "fastcgi", "uwsgi")
KINDS = (*FILES, "page", "redirect", *PASSED_ON)
# Options, and the kinds that have them; all others are every kind's.
ONLY_OF: dict[str, tuple[str, ...]] = {
    "status": ("redirect",),
    "index": FILES,
    "listing": FILES,
    "fallback": (*FILES, "fastcgi"),
    "root": ("fastcgi",),
    "script": ("fastcgi",),
    "cache": ("proxy",),
    "buffering": ("proxy", "fastcgi", "uwsgi"),
    "request_buffering": ("proxy", "fastcgi", "uwsgi"),
    "strip_path": ("proxy",),
    "host": ("proxy", "grpc"),
    "read_timeout_s": PASSED_ON,
    "send_timeout_s": PASSED_ON,
    "send_headers": PASSED_ON,
    "hide_headers": PASSED_ON,
    "max_body_mb": PASSED_ON,
    # A redirect is answered before nginx looks who asks, and how much.
    **dict.fromkeys(
        ("allow", "basic_auth", "limits"), tuple(kind for kind in KINDS if kind != "redirect")
    ),
}
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
_VARIABLE = re.compile(r"\$(\w*|\{\w*\})")
# What ends a word, a directive or a block of nginx's configuration, and what it would escape.
_UNSAFE = re.compile(r"""["\\\x00-\x1f\x7f]""")
# An answer may have several of these, each with a meaning of its own; of all others one is sent.
SEVERAL = frozenset(("set-cookie", "link", "vary", "server-timing"))
# nginx reads no word of 4096 bytes or more: quotation marks count, and what Tandem writes besides.
TEXT_MAX_BYTES = 4000
# What a variable may be longer as proxies in front have it (front_settings): $tandem_scheme.
_LONGER_BYTES = len("tandem_")
HEADER_NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"


def short_enough(value: str) -> str:
    """Refuse what nginx would not read in one."""
    if len(value.encode()) + value.count("$") * _LONGER_BYTES > TEXT_MAX_BYTES:
        raise ValueError("a long text")
    return value


def _nginx_text(value: str) -> str:
    """Refuse what nginx would not take as it stands between double quotes."""
    named_variables = {found.strip("{}") for found in _VARIABLE.findall(short_enough(value))}
    if _UNSAFE.search(value) or not named_variables <= VARIABLES:
        raise ValueError("no text for nginx")
    return value


def _target(value: str) -> str:
    if value and not re.fullmatch(r"(https?://|/|\$scheme://)[\w.~:/?@&+,=%$-]*", value):
        raise ValueError("no target")
    return value


def _headers(value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    for name, text in value:
        if not re.fullmatch(HEADER_NAME, name):
            raise ValueError("no header")
        _nginx_text(text)
    return value


def _network(value: str) -> str:
    if "%" in value:  # a zone, which may be any text
        raise ValueError("a network without a zone")
    return str(ip_network(value))


# In nginx's configuration it stands between double quotes.
NginxText = Annotated[str, AfterValidator(_nginx_text)]
HeaderName = Annotated[str, Field(pattern=HEADER_NAME)]
Headers = Annotated[Pairs[str, str], AfterValidator(_headers)]
Network = Annotated[str, AfterValidator(_network)]


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


class Place(Values):
    """One path of a site, and what answers it: exactly one of `KINDS`."""

    path: str = Field(
        pattern=r"^(= )?/[\w./~+@-]*$",
        description='a path that begins with /, without special marks; "= /PATH": it alone',
    )
    content: str = Field("", description="a directory on this machine")
    directory: DirectoryOrNone = Field(
        "", description="a directory on every machine, without spaces and .."
    )
    page: str = Field("", pattern=r"^[^\n]*$", description="one line")
    redirect: Annotated[NginxText, AfterValidator(_target)] = Field(
        "",
        description='where to, "https://HOST/PATH" or "/PATH"; $request_uri may be in it; 4000 '
        "bytes at the most",
    )
    proxy: str = Field("", pattern=UPSTREAM_NAME, description="the name of an upstream")
    grpc: str = Field("", pattern=UPSTREAM_NAME, description="the name of an upstream")
    fastcgi: str = Field("", pattern=UPSTREAM_NAME, description="the name of an upstream")
    uwsgi: str = Field("", pattern=UPSTREAM_NAME, description="the name of an upstream")

    status: Literal[301, 302, 303, 307, 308] = Field(302, description="301, 302, 303, 307 or 308")
    index: str = Field(
        "index.html", pattern=r"^[\w.-]+$", description="a file's name, such as index.html"
    )
    listing: bool = Field(False, description="True or False")
    fallback: str = Field(
        "",
        pattern=r"^(/[\w./-]+)?$",
        description='what answers where there is no such file, such as "/index.html", or ""',
    )
    root: DirectoryOrNone = Field(
        "", description="the directory of the scripts on the machine with the application"
    )
    script: str = Field(
        "",
        pattern=r"^([\w.-]+\.\w+)?$",
        description='the one script that answers everything, such as "index.php"; "": by the path',
    )
    cache: bool = Field(True, description="True or False")
    buffering: bool = Field(True, description="True or False")
    request_buffering: bool = Field(True, description="True or False")
    strip_path: bool = Field(False, description="True or False")
    host: str = Field(
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
    headers: Headers = Field(
        (),
        description='headers for clients, {"X-Robots-Tag": "noindex"}, of 4000 bytes at the most',
    )
    allow: tuple[Network, ...] = Field(
        (), description='a list of addresses and networks, ["10.0.0.0/8"]; all others get 403'
    )
    basic_auth: BasicAuth | None = Field(
        None, description='{"file": "sites/staff.htpasswd", "realm": "Staff"}, or None'
    )
    limits: RequestLimits | None = Field(
        None, description='{"connections": 10, "requests_per_s": 5, "burst": 20}, or None'
    )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which of `KINDS` are set; one, where it is no mistake."""
        return tuple(kind for kind in KINDS if getattr(self, kind))

    @property
    def kind(self) -> str:
        """What answers it, "" where nothing does."""
        return next(iter(self.kinds), "")

    @property
    def upstream(self) -> str:
        """The name of the upstream that answers it, "" for none."""
        return next((name for kind in PASSED_ON if (name := getattr(self, kind))), "")

    @property
    def hidden_headers(self) -> tuple[str, ...]:
        """The application's headers that clients do not see: also those in whose place are
        `headers` of this one."""
        hidden = {name.lower(): name for name in self.hide_headers}
        own = {name.lower(): name for name, value in self.headers if value}
        return tuple(({key: own[key] for key in own if key not in SEVERAL} | hidden).values())

    @property
    def keeps_out(self) -> bool:
        """Whether not everybody may ask for it, or not at any rate."""
        return bool(self.allow or self.basic_auth or self.limits)

    @property
    def location(self) -> str:
        """Its path, without the mark of one that is for this path alone."""
        return self.path.removeprefix("= ")


class Content(NamedTuple):
    """Files that a deploy brings: a directory of this machine, or a file with one line.

    `name`: its directory on the machines, below `SITES_ROOT`.
    """

    name: str
    content: str
    page: str


Places = Annotated[tuple[Place, ...], named("path")]
