"""What answers a path of a site: files, one line, another address, or an application.

Written as dicts in the inventory, {"/api/": {"proxy": "app"}}; kept as frozen values, each with its
path in it.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field

from settings.serving.named import UPSTREAM_NAME, named
from settings.serving.path_options import CHALLENGES, Headers, NginxText, PathOptions, said_by
from settings.values import PATH_MAX_CHARACTERS, DirectoryOrNone

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
    "webdav": ("directory",),
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
    "max_body_mb": ("directory", *PASSED_ON),
    # A redirect is answered before nginx looks who asks, and how much.
    **dict.fromkeys(
        ("allow", "basic_auth", "limits"), tuple(kind for kind in KINDS if kind != "redirect")
    ),
}
# An answer may have several of these, each with a meaning of its own; of all others one is sent.
SEVERAL = frozenset(("set-cookie", "link", "vary", "server-timing"))


def _target(value: str) -> str:
    if value and not re.fullmatch(r"(https?://|/|\$scheme://)[\w.~:/?@&+,=%${}-]*", value):
        raise ValueError("no target")
    return value


class Place(PathOptions):
    """One path of a site, and what answers it: exactly one of `KINDS`."""

    path: str = Field(
        pattern=r"^(= )?/[\w./~+@-]*$",
        max_length=PATH_MAX_CHARACTERS,
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
    fallback: str = Field(
        "",
        pattern=r"^(/[\w./-]+)?$",
        max_length=PATH_MAX_CHARACTERS,
        description='what answers where there is no such file, such as "/index.html", or ""',
    )
    root: DirectoryOrNone = Field(
        "", description="the directory of the scripts on the machine with the application"
    )
    webdav: bool = Field(False, description="True or False")
    script: str = Field(
        "",
        pattern=r"^([\w.-]+\.\w+)?$",
        max_length=PATH_MAX_CHARACTERS,
        description='the one script that answers everything, such as "index.php"; "": by the path',
    )
    strip_path: bool = Field(False, description="True or False")
    headers: Headers = Field(
        (),
        description='headers for clients, {"X-Robots-Tag": "noindex"}, of 4000 bytes at the most',
    )

    def with_defaults(self, defaults: PathOptions | None) -> Self:
        """The same, with what is said for all paths and not for this one, where its kind has it."""
        said = said_by(defaults)
        wanted = {name: said[name] for name in said.keys() - self.model_fields_set - self._alone}
        return self.model_copy(update=wanted) if wanted else self

    @property
    def _alone(self) -> frozenset[str]:
        """Options that hold here only where they are said here: another kind's; who may come in,
        where authorities come; and a limit of a request, where that may be a stream of messages."""
        others = {name for name, kinds in ONLY_OF.items() if self.kind not in kinds}
        if self.location == CHALLENGES:
            others |= {"allow", "basic_auth", "limits"}
        return frozenset(others | ({"max_body_mb"} if self.kind == "grpc" else set()))

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
