"""What a mistake is, and how all of them are refused at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import IO, Any, NamedTuple

import click
from pyinfra.api.exceptions import PyinfraError
from pyinfra_cli.exceptions import CliError

from settings.node import Node
from settings.wording.secrecy import without_secrets


class Bars(IntEnum):
    """What a mistake keeps from being done.

    NEW_SERVICE: a deploy that puts what is wrong newly into service. DEPLOY: every deploy.
    EVERYTHING: every command; only for what neither time nor somebody else's change brings about.
    """

    NEW_SERVICE = 1
    DEPLOY = 2
    EVERYTHING = 3


class Mistake(NamedTuple):
    """One thing that cannot work: where it stands, the setting, its value, and what is right."""

    where: str
    setting: str
    value: object
    remedy: str
    bars: Bars = Bars.EVERYTHING

    @classmethod
    def of(cls, node: Node, setting: str, remedy: str, bars: Bars = Bars.EVERYTHING) -> Mistake:
        """A mistake of what `node` has for `setting`."""
        return cls(node.name, setting, getattr(node, setting), remedy, bars)

    @property
    def without_secrets(self) -> Mistake:
        """The same as it may be shown, and kept where others look at it."""
        setting, value, remedy = without_secrets(self.setting, self.value, self.remedy)
        return self._replace(setting=setting, value=value, remedy=remedy)

    def __str__(self) -> str:
        setting, value, remedy = without_secrets(self.setting, self.value, self.remedy)
        value = repr(str(value)) if isinstance(value, str) else str(value)
        return f"{self.where}: {setting} = {value}: {remedy}"


class TypedMistake(Mistake):
    """A mistake of the command line, or of the text of a file: `remedy` is all that is said."""

    @classmethod
    def saying(cls, what: str) -> TypedMistake:
        """One that says `what`."""
        return cls("", "", "", what)

    def __str__(self) -> str:
        return self.without_secrets.remedy


# pyinfra shows a PyinfraError with the line of our code where it was raised, as if the fault were
# there; a CliError shows itself.
class Refused(PyinfraError, CliError):  # type: ignore[misc]
    """Something a person has to mend: the message says what, and how."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"--> {click.style('Refused', 'red', bold=True)}: {self}", err=True)


class SettingsError(Refused):
    """The inventory cannot work; `mistakes` holds all that is wrong with it."""

    def __init__(self, mistakes: Iterable[Mistake]):
        self.mistakes = tuple(merge(mistake.without_secrets for mistake in mistakes))
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        lines = "".join(f"\n    - {mistake}" for mistake in self.mistakes)
        typed = [isinstance(mistake, TypedMistake) for mistake in self.mistakes]
        places = (*(["the settings"] * (not all(typed))), *(["what was typed"] * any(typed)))
        where = " and ".join(places)
        super().__init__(
            f"{self.mistakes[0]}\n    No machine was touched."
            if typed == [True]
            else f"{count} in {where}; no machine was touched:{lines}"
        )


def merge(mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    """Each mistake once; `where` names every machine that has it."""
    alike: dict[tuple[str, str, str], list[Mistake]] = defaultdict(list)
    for mistake in mistakes:
        alike[mistake.setting, repr(mistake.value), mistake.remedy].append(mistake)
    for same in alike.values():
        yield same[0]._replace(where=", ".join(dict.fromkeys(each.where for each in same)))
