"""What answers a path of a site: files, one line, another address, or an application.

Written as dicts in the inventory, {"/api/": {"proxy": "app"}}; kept as frozen values, each with its
path in it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr

from settings.serving.named import UPSTREAM_CALLED, named
from settings.serving.path_options import CHALLENGES, Headers, NginxText, PathOptions, said_by
from settings.values import PATH_MAX_CHARACTERS, DirectoryOrNone, Remedy

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


# What a client may send is any text.
_CLIENTS_OWN = r"\$\{?(arg_|cookie_|http_(?!host\b))"
_OWN_LOCATION = (
    "a `location` of your own in server.d may have it (docs/snippets.md), in quotation marks"
)


def as_asked_for(path: str) -> str:
    """A request's path as nginx looks for it: of several slashes one is left, and . and .. are
    followed. Raises IndexError for one that goes up above /."""
    found: list[str] = []
    steps = re.sub("/+", "/", path).split("/")[1:]
    for step in steps:
        if step == "..":
            found.pop()
        elif step != ".":
            found.append(step)
    if steps[-1] in (".", ".."):
        found.append("")
    return re.sub("/+", "/", f"/{'/'.join(found)}")


def _without_marks(path: str) -> None:
    """Raise `Remedy` for what nginx writes otherwise, or Tandem does not take."""
    if found := re.fullmatch(r"=(/.*)", path):
        raise Remedy(f'for this path alone write "= {found[1]}"')
    if found := re.fullmatch(r"\^~ *(/.*)", path):
        raise Remedy(f'the longest path wins anyway: write "{found[1]}"')
    if path.startswith("~"):
        raise Remedy(f"paths are no regular expressions here: {_OWN_LOCATION}")
    location = path.removeprefix("= ")
    if not location.startswith("/"):
        raise ValueError("no path")
    if found := re.search(r"[^\w./~+@-]", location):
        mark = "a space" if found[0] == " " else found[0] if found[0].isprintable() else "a mark"
        why = "nginx looks for a path with %20 read as a space, and so on" if mark == "%" else ""
        why = why or f"{mark} cannot be in a path here, which has letters, digits and . / ~ + @ _ -"
        raise Remedy(f"{why}: {_OWN_LOCATION}")


def matched(value: str) -> str:
    """Refuse a path that nginx would never find."""
    _without_marks(value)
    exact, location = value[: -len(value.removeprefix("= "))], value.removeprefix("= ")
    try:
        wanted = as_asked_for(location)
    except IndexError:
        raise Remedy("no request's path goes up above /: leave out the ..") from None
    if wanted != location:
        raise Remedy(
            "nginx makes one slash of several and follows . and .. before it looks for a path, so "
            f'that no request has this one: write "{exact}{wanted}"'
        )
    return value


def _fallback(given: Any) -> Any:
    if given == "=404":
        raise Remedy('what is not there is answered by 404 anyway: leave it out, or ""')
    if isinstance(given, str) and "?" in given:
        raise Remedy(f'a path alone: write "{given.partition("?")[0]}"')
    return given


def _script(given: Any) -> Any:
    if isinstance(given, str) and "/" in given.strip("/"):
        directory, _, name = given.rpartition("/")
        raise Remedy(f'its directory belongs to `root` (…/{directory.strip("/")}): write "{name}"')
    return given


def _directory(given: Any) -> Any:
    """One may be written with a / at its end."""
    return given.removesuffix("/") if isinstance(given, str) and given != "/" else given


def _target(value: str) -> str:
    if re.match(r"(https?|\$scheme):///*([?#]|$)", value) or ":///" in value:
        raise Remedy('it leads to no host: write "https://HOST/PATH"')
    if re.match(r"//|/\$(request_uri|\{request_uri\})", value):
        raise Remedy(
            'a path begins with one slash, which $request_uri has itself: write "/PATH" or '
            '"/PATH$request_uri", and with a host "https://HOST/PATH"'
        )
    if re.match(rf"(/|(https?|\$scheme)://[^/?#]*){_CLIENTS_OWN}", value):
        raise Remedy(
            "whoever writes a link could say which host it leads to: let a path stand before it, "
            '"/PATH/$arg_NAME"'
        )
    if value and not re.fullmatch(r"(https?://|/|\$scheme://).*", value):
        raise ValueError("no target")
    if found := re.search(r"[^\w.~:/?#@!$&'()*+,;=%{}\[\]-]", value):
        mark = "a space" if found[0] == " " else found[0]
        raise Remedy(f"{mark} cannot be in an address: write %{ord(found[0]):02X}")
    return value


class Place(PathOptions):
    """One path of a site, and what answers it: exactly one of `KINDS`."""

    path: Annotated[
        str,
        Field(max_length=PATH_MAX_CHARACTERS),
        AfterValidator(matched),
    ] = Field(
        description='a path that begins with /, without special marks; "= /PATH": it alone',
    )
    content: str = Field("", description="a directory on this machine")
    directory: Annotated[DirectoryOrNone, BeforeValidator(_directory)] = Field(
        "", description="a directory on every machine, without spaces and .."
    )
    page: str = Field("", pattern=r"^[^\n]*$", description="one line")
    redirect: Annotated[NginxText, AfterValidator(_target)] = Field(
        "",
        description='where to, "https://HOST/PATH" or "/PATH"; $request_uri may be in it; 4000 '
        "bytes at the most",
    )
    proxy: str = Field("", pattern=UPSTREAM_CALLED, description="the name of an upstream")
    grpc: str = Field("", pattern=UPSTREAM_CALLED, description="the name of an upstream")
    fastcgi: str = Field("", pattern=UPSTREAM_CALLED, description="the name of an upstream")
    uwsgi: str = Field("", pattern=UPSTREAM_CALLED, description="the name of an upstream")

    status: Literal[301, 302, 303, 307, 308] = Field(302, description="301, 302, 303, 307 or 308")
    fallback: Annotated[
        str,
        BeforeValidator(_fallback),
        Field(pattern=r"^(/[\w./-]+)?$", max_length=PATH_MAX_CHARACTERS),
        AfterValidator(lambda value: value and matched(value)),
    ] = Field(
        "",
        description='what answers where there is no such file, such as "/index.html", or ""',
    )
    root: Annotated[DirectoryOrNone, BeforeValidator(_directory)] = Field(
        "", description="the directory of the scripts on the machine with the application"
    )
    webdav: bool = Field(False, description="True or False")
    script: Annotated[str, BeforeValidator(_script)] = Field(
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

    _by_default: frozenset[str] = PrivateAttr(frozenset())

    def with_defaults(self, defaults: PathOptions | None) -> Self:
        """The same, with what is said for all paths and not for this one, where its kind has it."""
        said = said_by(defaults)
        wanted = {name: said[name] for name in said.keys() - self.model_fields_set - self._alone}
        if not wanted:
            return self
        place = self.model_copy(update=wanted)
        place._by_default = self._by_default | wanted.keys()
        return place

    def __eq__(self, other: object) -> bool:
        """What says an option is no option."""
        return isinstance(other, Place) and vars(self) == vars(other)

    def said_as(self, name: str) -> str:
        """The setting that says an option of this place."""
        return f"path_defaults.{name}" if name in self._by_default else name

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
    def is_exact(self) -> bool:
        """Whether it is for its path alone, and not for what begins with it."""
        return self.path != self.location or (self.kind == "page" and self.path != "/")

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
