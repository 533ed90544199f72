"""A person's own checks: commands by which keepalived judges a node."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from settings.values import Values

# keepalived would read a comment, quotes, a block, a variable or an escape in anything else.
_WORD = r"[A-Za-z0-9_./:=,+@%~^-]+"
# Where /usr is merged, which it is in all distributions of today.
LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# Its unit (templates/keepalived/systemd-unit.conf.j2) keeps it out of there.
UNSEEN = {
    **dict.fromkeys(("/home", "/root", "/run/user"), "sees no home directories"),
    **dict.fromkeys(("/tmp", "/var/tmp"), "has a /tmp and a /var/tmp of its own"),
}
Word = Annotated[str, Field(pattern=rf"^{_WORD}$")]


def _words(given: Any) -> Any:
    return given.split() if isinstance(given, str) else given


def _absolute(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0].startswith("/"):
        raise ValueError("no absolute path")
    return words


def _named(given: Any) -> Any:
    """{"a": {...}} as ({"name": "a", ...},)."""
    if not isinstance(given, Mapping):
        return given
    return tuple(
        {"name": name} | (dict(check) if isinstance(check, Mapping) else {"command": check})
        for name, check in given.items()
    )


Command = Annotated[tuple[Word, ...], BeforeValidator(_words), AfterValidator(_absolute)]


class OwnCheck(Values):
    """A command that keepalived runs again and again: exit 0 for good.

    Where it fails `fall` times in a row, until it was good `rise` times in a row, this node is
    worth less by `weight`, or it leaves the election.
    """

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,19}$",
        description="a name of at most 20 lower-case letters, digits, _ and -",
    )
    command: Command = Field(
        description='an absolute path and its arguments, "/usr/local/bin/check app" or a list, of '
        "letters, digits and _ . / : = , + @ % ~ ^ -; for anything else let it be a script",
    )
    interval_s: int = Field(2, ge=1, le=3600, description="1 to 3600 whole seconds")
    timeout_s: int = Field(2, ge=1, le=3600, description="1 to 3600 whole seconds")
    fall: int = Field(2, ge=1, le=100, description="1 to 100")
    rise: int = Field(2, ge=1, le=100, description="1 to 100")
    weight: int = Field(0, ge=1, le=61, description="1 to 61")
    leave: bool = Field(False, description="True or False")

    @property
    def script(self) -> str:
        """The command as keepalived reads it."""
        return " ".join(self.command)


def _deciding(check: OwnCheck) -> OwnCheck:
    if bool(check.weight) == check.leave:
        raise ValueError(
            'give "weight": 1 or more (the node where the least fails holds the VIP), or '
            '"leave": True (a node where it fails never does), one of them'
        )
    return check


def _seen_by_keepalived(check: OwnCheck) -> OwnCheck:
    """Refuse a path that keepalived does not find, or finds by another name, on any machine."""
    path = check.command[0]
    plain = "/" + posixpath.normpath(path).lstrip("/")
    if path != plain:
        raise ValueError(f"give its path without detours: {plain}")
    if (top := path.split("/")[1]) in LINKS:
        raise ValueError(
            f"/{top} is a link to /usr/{top}, and keepalived 2.3 runs nothing behind a link: give "
            f"/usr{path}"
        )
    if why := unseen(path):
        raise ValueError(why)
    return check


def unseen(path: str) -> str:
    """Why keepalived does not see a program there, and what would be right; "" if it does."""
    for place, why in UNSEEN.items():
        if path.startswith(f"{place}/"):
            return f"keepalived {why}: bring it to a directory like /usr/local/bin"
    return ""


Checks = Annotated[
    tuple[Annotated[OwnCheck, AfterValidator(_deciding), AfterValidator(_seen_by_keepalived)], ...],
    BeforeValidator(_named),
]
