"""A person's own checks: commands by which keepalived judges a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from settings.values import Values

# keepalived would read a comment, quotes, a block, a variable or an escape in anything else.
_WORD = r"[A-Za-z0-9_./:=,+@%~^-]+"
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


Checks = Annotated[
    tuple[Annotated[OwnCheck, AfterValidator(_deciding)], ...], BeforeValidator(_named)
]
