"""Facts of a machine that are fetched together, in one round trip, and kept until it changes.

Deploy code says with `request` which facts its operations will need. The first `get` of one of
them fetches all of them; the others find theirs. A `change` forgets what it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import wraps
from inspect import signature
from itertools import zip_longest
from typing import Any, NamedTuple, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import gevent
from pyinfra.api import FactBase, Host, StringCommand, operation
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operation import PyinfraOperation
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host

from controller import run_changes
from controller.output import console

T = TypeVar("T")
P = ParamSpec("P")


class LinesFact(FactBase[list[str]]):
    """The lines that its command prints, as they are."""

    default = list

    def process(self, output: list[str]) -> list[str]:
        return output


class FactQuery(NamedTuple):
    """A fact and its arguments, which have to be hashable."""

    fact: type[FactBase[Any]]
    arguments: tuple[tuple[str, Any], ...] = ()


class CommandOutputs(FactBase[list[list[str]]]):
    """The lines of each of several commands, in one round trip; one that fails stops no other."""

    default = list
    SEPARATOR = "@ the next answer"

    def command(self, commands: tuple[str, ...]) -> str:
        return "".join(f"echo '{self.SEPARATOR}'; ( {each}\n); " for each in commands) + "true"

    def process(self, output: list[str]) -> list[list[str]]:
        sections: list[list[str]] = []
        for line in output:
            if line == self.SEPARATOR:
                sections.append([])
            elif sections:
                sections[-1].append(line)
        return sections


class BatchedFacts:
    """The facts that the machines of a run have requested, and those that are known by now."""

    def __init__(self) -> None:
        self._groups: WeakKeyDictionary[Host, tuple[str, ...]] = WeakKeyDictionary()
        self._requested: WeakKeyDictionary[Host, dict[object, FactQuery]] = WeakKeyDictionary()
        self._known: WeakKeyDictionary[Host, dict[FactQuery, Any]] = WeakKeyDictionary()
        self._stage: StateStage | None = None

    def fetch_with(self, names: Iterable[str]) -> None:
        """Fetch the facts of the machines `names` whenever this machine's are; forget them, too."""
        self._groups[_this_host()] = tuple(names)

    def request(self, fact: type[FactBase[Any]], *, key: object = None, **arguments: Any) -> None:
        """Fetch `fact` with this machine's others; it replaces an earlier one with the same `key`.

        Nothing is fetched before the first `get`.
        """
        query = FactQuery(fact, tuple(arguments.items()))
        self._requested.setdefault(_this_host(), {})[key or query] = query

    def get(self, fact: type[FactBase[T]], **arguments: Any) -> T:
        """This machine's `fact`; a round trip of its own if it was not requested before."""
        this = _this_host()
        query = FactQuery(fact, tuple(arguments.items()))
        if query not in self._requested.get(this, {}).values():
            return this.get_fact(fact, **arguments)
        if self._stage is not this.state.current_stage:
            self._known.clear()  # what was true while the deploy was prepared may not be now
            self._stage = this.state.current_stage
        known = self._known.get(this, {})
        if query not in known:
            known = self._fetch_group(this)
        return known[query]  # type: ignore[no-any-return]

    def amend(self, fact: type[FactBase[T]], amended: Callable[[T], T]) -> None:
        """Have what a change has just made of this machine's `fact`, instead of what was known."""
        known = self._known.get(_this_host(), {})
        for query in known:
            if query.fact is fact:
                known[query] = amended(known[query])

    def forget(
        self, *facts: type[FactBase[Any]], keep: Container[type[FactBase[Any]]] = ()
    ) -> None:
        """Forget these facts of this machine; without any, all of it, but for those to `keep`, and
        of its group."""
        this = _this_host()
        if facts:
            known = self._known.get(this, {})
            for query in [query for query in known if query.fact in facts]:
                del known[query]
            return
        kept = {q: value for q, value in self._known.get(this, {}).items() if q.fact in keep}
        for host in (this, *self._others(this)):
            self._known.pop(host, None)
        self._known[this] = kept

    def _others(self, this: Host) -> list[Host]:
        group = self._groups.get(this, ())
        return [host for host in this.state.active_hosts if host is not this and host.name in group]

    def _fetch_group(self, this: Host) -> dict[FactQuery, Any]:
        """Fetch what this machine and its group have requested and is not known; returns all of
        this machine's."""
        others = [
            gevent.spawn(self._fetch, other)
            for other in self._others(this)
            if other in self._requested
        ]
        known = self._fetch(this)
        for greenlet in others:
            with suppress(PyinfraError):  # it fails again, and is reported, in that machine's turn
                greenlet.get()
        # Not read from `_known` again: while a deploy is prepared, another machine of the group may
        # have made this one forget by now.
        return known

    def _fetch(self, host: Host) -> dict[FactQuery, Any]:
        known = self._known.get(host, {})
        queries = [query for query in self._requested[host].values() if query not in known]
        facts = {query: query.fact() for query in queries}
        commands = [str(fact.command(**dict(query.arguments))) for query, fact in facts.items()]
        sections = host.get_fact(CommandOutputs, commands=tuple(commands)) if commands else []
        # As pyinfra has it: without any output a fact is its default.
        fetched = {
            query: fact.process(lines) if lines else fact.default()
            for (query, fact), lines in zip_longest(facts.items(), sections)
        }
        self._known[host] = known = {**known, **fetched}
        return known


def _this_host() -> Host:
    return ctx_host.get()  # type: ignore[no-any-return, no-untyped-call]


def _is_meant(this: Host) -> bool:
    """Whether the operation that is prepared is for this machine; pyinfra itself asks only when it
    is carried out, and would plan every machine's turn for all of them."""
    arguments: Mapping[str, Any] = this.current_op_global_arguments or {}
    given = arguments.get("_if")
    conditions = given if isinstance(given, list) else [given]
    return all(condition() for condition in conditions if condition)


# For what is done on all machines at the same time.
parallel = BatchedFacts()
# For what is done on one machine of a cluster after another.
rolling = BatchedFacts()


def invalidate(*facts: type[FactBase[Any]], keep: Container[type[FactBase[Any]]] = ()) -> None:
    """Forget what an operation is about to change: these facts of this machine, or everything but
    those to `keep`."""
    parallel.forget(*facts, keep=keep)
    rolling.forget(*facts, keep=keep)


def lasting(seconds: float, command: str) -> StringCommand:
    """A command that may print nothing for so long (`machine_connector.LIMIT_S` otherwise)."""
    return StringCommand(command, _timeout=patience_s(seconds))


def patience_s(seconds: float) -> int:
    """For how long a command may print nothing: `seconds`, or more where the inventory gives all
    commands of the machine more (`_timeout`), which a command's own limit would replace."""
    given: Any = ctx_host.isset() and _this_host().current_op_global_arguments  # type: ignore[no-untyped-call]
    return max(round(seconds), (given or {}).get("_timeout") or 0)


def change(
    otherwise: str,
    *facts: type[FactBase[Any]],
    amends: Container[type[FactBase[Any]]] = (),
    counts: bool = True,
) -> Callable[[Callable[P, Iterator[Any]]], PyinfraOperation[P]]:
    """An operation that compares facts with what is wanted, and yields what makes them alike.

    + otherwise: what is said if it yields nothing; with its arguments, like "{path} is there".
    + facts: all that it can change, of this machine alone; without any, everything is forgotten.
    + amends: what it leaves as it is, but for what it says itself (`BatchedFacts.amend`).
    + counts: whether it is among what the run says that it has changed (run_changes).
    """

    def decorate(commands: Callable[P, Iterator[Any]]) -> PyinfraOperation[P]:
        @wraps(commands)
        def forgetting(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, None, None]:
            this = _this_host()
            run_changes.tell(this.current_op_hash)
            if run_changes.is_planning() and not _is_meant(this):
                return
            changed, noted = False, run_changes.count()
            given = signature(commands).bind(*args, **kwargs).arguments
            path = given.get("told_as") or given.get("path")
            for command in commands(*args, **kwargs):
                if not changed:  # before pyinfra has carried out the first of them
                    if not run_changes.is_planning():
                        console.begin_step()
                        invalidate(*facts, keep=amends)
                    if counts and (begins := run_changes.note(noted, path)):
                        yield begins
                changed = True
                yield command
            if not changed:
                this.noop(otherwise.format(**given))

        return operation()(forgetting)

    return decorate
