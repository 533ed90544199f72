"""What a check is, what it may answer, and what a finding carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, partial
from typing import Any, TypeVar

from settings import Cluster, Node
from verify.read.machine_view import CannotTell, MachineView
from verify.snapshot import RouterView, VipResponse

# Not a probe of a machine: the controller's own requests to the VIP.
FROM_HERE = "from_here"
# Nor this one: what routers have said.
FROM_ROUTERS = "from_routers"
T = TypeVar("T")
Judge = TypeVar("Judge", bound=Callable[..., "Answer"])


class Outcome(StrEnum):
    """Kept apart on purpose: what is wrong, what is not known, and what does not apply.

    UNKNOWN: the evidence is missing. SKIP: by the settings, or by what this run was told to leave
    out, there is nothing to judge.
    """

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    UNKNOWN = "unknown"
    SKIP = "skip"

    @property
    def key(self) -> str:
        """As data and stylesheets name it."""
        return self.lower()


@dataclass(frozen=True)
class Answer:
    """What a check found in one place.

    `because`: the check whose failure is why this one cannot be told, "" where it is another.
    """

    outcome: Outcome
    actual: str = ""
    expected: str = ""
    because: str = ""


def holds(actual: str = "") -> Answer:
    """What was expected is so."""
    return Answer(Outcome.OK, actual)


def fails(*, expected: str, actual: str) -> Answer:
    """Something else was found."""
    return Answer(Outcome.FAIL, actual, expected)


def warns(*, expected: str, actual: str) -> Answer:
    """Something else was found, and the run passes all the same."""
    return Answer(Outcome.WARN, actual, expected)


def skipped(reason: str) -> Answer:
    """There is nothing to judge here, and why."""
    return Answer(Outcome.SKIP, reason)


def unknown(reason: str, because: str = "") -> Answer:
    """The evidence is missing, and why; `because` of another check's failure."""
    return Answer(Outcome.UNKNOWN, reason, because=because)


def holds_if(right: bool, *, expected: str, actual: str) -> Answer:
    """Whether what was found is `right`, for what is shown alike in both cases."""
    return holds(actual) if right else fails(expected=expected, actual=actual)


def agrees(*, expected: str, actual: str) -> Answer:
    """Holds when both are the same text."""
    return holds_if(actual == expected, expected=expected, actual=actual)


def faultless(faults: list[str], *, expected: str, found: str = "") -> Answer:
    """Holds when nothing was found to be wrong; `found` is then shown, or what was expected."""
    return holds_if(not faults, expected=expected, actual="; ".join(faults) or found or expected)


@dataclass(frozen=True)
class Here:
    """What a check of one machine may use. `others`: the cluster's other reached machines.

    `left_out` are the nodes that --limit kept this run from asking; `silent` says of each other
    machine that was to be asked why there is nothing from it.
    """

    cluster: Cluster
    node: Node
    machine: MachineView
    others: Mapping[str, MachineView]
    left_out: tuple[str, ...] = ()
    silent: Mapping[str, CannotTell] = field(default_factory=dict)


@dataclass(frozen=True)
class Across:
    """What a check across a cluster may use: the reached machines by name, the controller's own
    requests to the VIP, and what routers have said.

    `left_out` and `silent` as in `Here`; `by_machine` adds to `silent` whoever cannot tell. Where
    anybody is silent the judge takes no answer for good.
    """

    cluster: Cluster
    machines: Mapping[str, MachineView]
    from_here: tuple[VipResponse, ...]
    left_out: tuple[str, ...] = ()
    silent: dict[str, CannotTell] = field(default_factory=dict)
    router_views: tuple[RouterView, ...] = ()

    @cached_property
    def holders(self) -> tuple[str, ...]:
        """The machines whose kernel carries the VIP."""
        return tuple(
            name for name, machine in self.machines.items() if machine.carries(self.cluster.vip.ip)
        )

    def by_machine(self, read: Callable[[MachineView], T]) -> dict[str, T]:
        """`read` of every machine that can tell; the others are `silent` from then on.

        Raises `CannotTell` when none can.
        """
        values: dict[str, T] = {}
        silent: dict[str, CannotTell] = {}
        problem = CannotTell("no machine was reached")
        for name, machine in self.machines.items():
            try:
                values[name] = read(machine)
            except CannotTell as error:
                problem = silent[name] = error
        if not values:
            raise problem
        self.silent.update(silent)
        return values

    def node(self, name: str) -> Node:
        """The settings of this machine."""
        return next(node for node in self.cluster.nodes if node.name == name)

    def named(self, values: Mapping[str, object]) -> str:
        """`values` by machine, as one line."""
        return ", ".join(f"{name} {value}" for name, value in values.items())


@dataclass(frozen=True, kw_only=True)
class Check:
    """One expectation of each machine, or, `across`, of a cluster as a whole.

    `judge` takes a `Here` or an `Across`, as do `needs`: the answer where the check cannot be
    judged there, None where it can. `reads` names the probes whose answers are its evidence:
    `NAME:*` stands for all whose name begins so, `{name}` for those of the other machines about
    this one. `settles`: a VIP that is just moving may break it for a moment, so that machines are
    asked again before it fails. `each_vip`: it is judged for every VIP of a cluster that has
    several.
    """

    id: str
    title: str
    reason: str
    remedy: str
    reads: tuple[str, ...]
    judge: Callable[[Any], Answer]
    across: bool
    needs: tuple[Callable[[Any], Answer | None], ...] = ()
    settles: bool = False
    each_vip: bool = False

    @property
    def area(self) -> str:
        return self.id.partition("-")[0]

    @property
    def asks_others(self) -> bool:
        """Whether its evidence comes from more than the machine that it is about."""
        own = {probe for probe in self.reads if "{name}" not in probe}
        return bool(own - {FROM_HERE}) if self.across else own != set(self.reads)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found in one place. `host` is None for a finding across the cluster; `vip` is
    "" but for a cluster's further ones."""

    check: Check
    cluster: str
    host: str | None
    answer: Answer
    command: str
    vip: str = ""

    @property
    def id(self) -> str:
        return self.check.id

    @property
    def outcome(self) -> Outcome:
        return self.answer.outcome

    @property
    def whole_cluster(self) -> str:
        """The cluster's name, whichever of its VIPs this is about."""
        return self.cluster.removesuffix(f" {self.vip}")

    @property
    def bad(self) -> bool:
        """Whether it makes the run fail: it is wrong, or it matters and is not known."""
        return self.outcome in (Outcome.FAIL, Outcome.UNKNOWN)

    @property
    def where(self) -> str:
        return f"{self.host} {self.vip}".rstrip() if self.host else f"cluster {self.cluster}"


CHECKS: dict[str, Check] = {}


def _registers(id: str, title: str, **more: Any) -> Callable[[Judge], Judge]:
    """Makes a function that judges a check, which has `more` of the fields of `Check`."""

    def register(judge: Judge) -> Judge:
        if id in CHECKS:
            raise ValueError(f"two checks are called {id}")
        CHECKS[id] = Check(id=id, title=title, judge=judge, **more)
        return judge

    return register


# Decorators, for a check that is asked of each machine, of each cluster as a whole, and of each VIP
# of a cluster, about which its machines may disagree for a moment.
on_host = partial(_registers, across=False)
in_cluster = partial(_registers, across=True)
on_vip = partial(_registers, across=True, settles=True, each_vip=True)
