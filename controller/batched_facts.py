"""Ask a machine all that a deploy has to know in as few round trips as can be.

Deploy code says `ahead` what will be asked; the first operation that needs an `answer` has all of
that round asked at once. What is known holds until an operation `changed` something.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import gevent
from pyinfra.api import FactBase, Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host

T = TypeVar("T")


class Question(NamedTuple):
    """A fact and its arguments, which have to be hashable."""

    fact: type[FactBase[Any]]
    arguments: tuple[tuple[str, Any], ...] = ()

    def command(self) -> str:
        return str(self.fact().command(**dict(self.arguments)))

    def answer(self, lines: list[str]) -> Any:
        """As pyinfra has it: without any output it is the default."""
        fact = self.fact()
        return fact.process(lines) if lines else fact.default()


class Answers(FactBase[list[list[str]]]):
    """What several commands print, in one round trip. None of them stops the others."""

    default = list
    MARK = "@ the next answer"

    def command(self, commands: tuple[str, ...]) -> str:
        return "".join(f"echo '{self.MARK}'; ( {command}\n); " for command in commands) + "true"

    def process(self, output: list[str]) -> list[list[str]]:
        sections: list[list[str]] = []
        for line in output:
            if line == self.MARK:
                sections.append([])
            elif sections:
                sections[-1].append(line)
        return sections


class Round:
    """Questions that are asked together."""

    def __init__(self) -> None:
        self._circles: WeakKeyDictionary[Host, tuple[str, ...]] = WeakKeyDictionary()
        self._questions: WeakKeyDictionary[Host, dict[object, Question]] = WeakKeyDictionary()
        self._known: WeakKeyDictionary[Host, dict[Question, Any]] = WeakKeyDictionary()
        self._stage: StateStage | None = None

    def with_machines(self, names: Iterable[str]) -> None:
        """Have these asked at the same time as this machine, and forgotten with it."""
        self._circles[_this_host()] = tuple(names)

    def ahead(self, fact: type[FactBase[Any]], *, key: object = None, **arguments: Any) -> None:
        """Have `fact` asked with the others, instead of what was to be asked for the same `key`."""
        question = Question(fact, tuple(arguments.items()))
        self._questions.setdefault(_this_host(), {})[key or question] = question

    def answer(self, fact: type[FactBase[T]], **arguments: Any) -> T:
        """What this machine says to `fact`; asked alone where nobody said so ahead."""
        this = _this_host()
        question = Question(fact, tuple(arguments.items()))
        if question not in self._questions.get(this, {}).values():
            return this.get_fact(fact, **arguments)
        if self._stage is not this.state.current_stage:
            self._known.clear()
            self._stage = this.state.current_stage
        known = self._known.get(this, {})
        if question not in known:
            known = self._ask(this)
        return known[question]  # type: ignore[no-any-return]

    def forget(self, *facts: type[FactBase[Any]]) -> None:
        """All that is known of this machine and its circle; or, of this machine, these facts."""
        this = _this_host()
        if facts:
            known = self._known.get(this, {})
            for question in [question for question in known if question.fact in facts]:
                del known[question]
            return
        for host in (this, *self._others(this)):
            self._known.pop(host, None)

    def _others(self, this: Host) -> list[Host]:
        circle = self._circles.get(this, ())
        return [
            host for host in this.state.active_hosts if host is not this and host.name in circle
        ]

    def _ask(self, this: Host) -> dict[Question, Any]:
        asked = [
            gevent.spawn(self._ask_one, other)
            for other in self._others(this)
            if other in self._questions
        ]
        known = self._ask_one(this)
        for greenlet in asked:
            with suppress(PyinfraError):  # its own turn will tell
                greenlet.get()
        # Not out of what is known by now: while a deploy is prepared, another machine of the circle
        # may have forgotten it again.
        return known

    def _ask_one(self, host: Host) -> dict[Question, Any]:
        questions = tuple(self._questions[host].values())
        commands = tuple(question.command() for question in questions)
        sections = host.get_fact(Answers, commands=commands)
        sections += [[]] * (len(questions) - len(sections))
        self._known[host] = known = {
            question: question.answer(lines)
            for question, lines in zip(questions, sections, strict=True)
        }
        return known


def _this_host() -> Host:
    return ctx_host.get()  # type: ignore[no-any-return, no-untyped-call]


# What is staged on all machines at the same time; and what the turns of a cluster then have to do.
staging = Round()
turns = Round()


def changed(*facts: type[FactBase[Any]]) -> None:
    """To be called by an operation before it changes what somebody may have asked for.

    + facts: all that it can change the answers to, and of no other machine; without, everything
    """
    staging.forget(*facts)
    turns.forget(*facts)
