"""What a check is, what it may answer, and what a finding carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal, NotRequired, TypedDict, TypeVar, Unpack

from settings import Cluster, Node
from verify.read.machine_view import CannotTell, MachineView
from verify.snapshot import VipResponse

T = TypeVar("T")
Severity = Literal["failure", "warning"]


class Outcome(StrEnum):
    """Kept apart on purpose: what is wrong, what is not known, and what was not asked."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    UNKNOWN = "unknown"
    SKIP = "skip"


@dataclass(frozen=True)
class Answer:
    """What a check found in one place."""

    outcome: Outcome
    actual: str = ""
    expected: str = ""


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


def agrees(*, expected: str, actual: str) -> Answer:
    """Holds when both are the same text."""
    return holds(actual) if actual == expected else fails(expected=expected, actual=actual)


def faultless(faults: list[str], *, expected: str, found: str = "") -> Answer:
    """Holds when nothing was found to be wrong."""
    return fails(expected=expected, actual="; ".join(faults)) if faults else holds(found)


@dataclass(frozen=True)
class Here:
    """What a check of one machine may use. `others`: the cluster's other reached machines."""

    cluster: Cluster
    node: Node
    machine: MachineView
    others: Mapping[str, MachineView]


@dataclass(frozen=True)
class Across:
    """What a check across a cluster may use: the reached machines by name, and the controller's own
    requests to the VIP.

    `left_out` are the nodes that --limit kept this run from asking.
    """

    cluster: Cluster
    machines: Mapping[str, MachineView]
    from_here: tuple[VipResponse, ...]
    left_out: tuple[str, ...] = ()

    @cached_property
    def holders(self) -> tuple[str, ...]:
        """The machines whose kernel carries the VIP."""
        return tuple(
            name for name, machine in self.machines.items() if machine.carries(self.cluster.vip.ip)
        )

    def by_machine(self, read: Callable[[MachineView], T]) -> dict[str, T]:
        """`read` of every machine that can tell. Raises `CannotTell` when none can."""
        values: dict[str, T] = {}
        problem = CannotTell("no machine was reached")
        for name, machine in self.machines.items():
            try:
                values[name] = read(machine)
            except CannotTell as error:
                problem = error
        if not values:
            raise problem
        return values

    def node(self, name: str) -> Node:
        """The settings of this machine."""
        return next(node for node in self.cluster.nodes if node.name == name)

    def named(self, values: Mapping[str, object]) -> str:
        """`values` by machine, as one line."""
        return ", ".join(f"{name} {value}" for name, value in values.items())


# Why a check cannot be asked here, or "" when it can.
HostPremise = Callable[[Here], str]
ClusterPremise = Callable[[Across], str]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One expectation.

    `reads` names the probes that it uses: `NAME:*` stands for all whose name begins so, `{name}`
    for those of the other machines about this one. `settles`: a VIP that is just moving may break
    it for a moment, so that machines are asked again before it fails. `each_vip`: it is judged for
    every VIP of a cluster that has several.
    """

    id: str
    title: str
    reason: str
    remedy: str
    reads: tuple[str, ...]
    severity: Severity = "failure"
    settles: bool = False
    each_vip: bool = False

    @property
    def area(self) -> str:
        return self.id.partition("-")[0]


@dataclass(frozen=True, kw_only=True)
class HostCheck(Check):
    """A check that is asked of each machine."""

    judge: Callable[[Here], Answer]
    needs: tuple[HostPremise, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClusterCheck(Check):
    """A check that is asked once per cluster."""

    judge: Callable[[Across], Answer]
    needs: tuple[ClusterPremise, ...] = ()
    settles: bool = True


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
        """A check that only warns turns its failure, and what it cannot tell, into a warning."""
        outcome = self.answer.outcome
        if self.check.severity == "warning" and outcome in (Outcome.FAIL, Outcome.UNKNOWN):
            return Outcome.WARN
        return outcome

    @property
    def bad(self) -> bool:
        """Whether it makes the run fail: it is wrong, or it matters and is not known."""
        return self.outcome in (Outcome.FAIL, Outcome.UNKNOWN)

    @property
    def where(self) -> str:
        if self.host:
            return " ".join(filter(None, (self.host, self.vip)))
        return f"cluster {self.cluster}"


CHECKS: dict[str, Check] = {}


def _register(check: Check) -> None:
    if check.id in CHECKS:
        raise ValueError(f"two checks are called {check.id}")
    CHECKS[check.id] = check


class _Common(TypedDict):
    reason: str
    remedy: str
    reads: tuple[str, ...]
    severity: NotRequired[Severity]
    settles: NotRequired[bool]
    each_vip: NotRequired[bool]


HostJudge = Callable[[Here], Answer]
ClusterJudge = Callable[[Across], Answer]


def on_host(
    id: str, title: str, *, needs: tuple[HostPremise, ...] = (), **more: Unpack[_Common]
) -> Callable[[HostJudge], HostJudge]:
    """Register a check that is asked of each machine."""

    def register(judge: HostJudge) -> HostJudge:
        _register(HostCheck(id=id, title=title, judge=judge, needs=needs, **more))
        return judge

    return register


def in_cluster(
    id: str, title: str, *, needs: tuple[ClusterPremise, ...] = (), **more: Unpack[_Common]
) -> Callable[[ClusterJudge], ClusterJudge]:
    """Register a check that is asked once per cluster."""

    def register(judge: ClusterJudge) -> ClusterJudge:
        _register(ClusterCheck(id=id, title=title, judge=judge, needs=needs, **more))
        return judge

    return register
