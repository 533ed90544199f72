"""Whoever is at the terminal: is told things, and asked until an answer can be used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click
from rich.console import Console, RenderableType

from controller.output import conversation
from first_inventory.given_answers import WrongAnswer
from settings import Refused

T = TypeVar("T")
LEFT = "Nothing was written, and no machine was changed."


class Gone(Exception):
    """Nobody answers any more: the standard input has ended."""


class Person:
    """A person at a terminal; or nobody, who takes every default.

    attended: whether somebody is asked.
    """

    def __init__(self, *, attended: bool):
        self.attended = attended
        self._console = Console(stderr=True, highlight=False)

    def tell(self, text: str = "") -> None:
        click.echo(text, err=True)

    def show(self, shown: RenderableType) -> None:
        self._console.print(shown)

    def ask(self, question: str, read: Callable[[str], T], default: str | None = None) -> T:
        """What `read` makes of the answer; asked again where it raises `WrongAnswer`, as whoever is
        not there cannot be: then it is raised as `Refused`.

        default: what enter, and nobody, answers; None where there is none.
        """
        while True:
            typed = self._typed(f"{question}{f' [{default}]' if default else ''}: ")
            answer = typed or default or ""
            if not answer and default is None:
                self.tell("    An answer is needed here; Ctrl-C leaves all as it is.")
                continue
            try:
                return read(answer)
            except WrongAnswer as error:
                if not self.attended:
                    raise Refused(f"{error}. {LEFT}") from error
                self.tell(f"    {error}.")

    def agrees(self, question: str, *, otherwise: bool = True) -> bool:
        """Yes or no; `otherwise` is what enter says."""

        def read(answer: str) -> bool:
            word = answer.strip().lower()
            if word not in ("y", "yes", "n", "no"):
                raise WrongAnswer("type y or n")
            return word in ("y", "yes")

        typed = "y" if otherwise else "n"
        choice = "[Y/n]" if otherwise else "[y/N]"
        return self.ask(f"{question} {choice}", lambda answer: read(answer or typed), "")

    def _typed(self, prompt: str) -> str:
        """Raises `Gone` where the input ends, KeyboardInterrupt at Ctrl-C."""
        if not self.attended:
            return ""
        click.echo(prompt, err=True, nl=False)
        sys.stderr.flush()
        line = conversation.typed_line()
        if not line:
            raise Gone
        return line.strip()
