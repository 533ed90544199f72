"""What drills find, as frozen values that go to JSON and back (`to_json`, `from_json`).

All times within a repeat are seconds since its prober's first request was due. A request is due
when the plan says so, whether or not the earlier ones came back: outages are given in due time.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from pydantic import TypeAdapter

from drills.cost_limits import Budget, Ceiling, Measure, Theory
from drills.outcomes import MEANING, Kind, RequestOutcome
from drills.records import (
    Event,
    FaultEvidence,
    FaultInterval,
    HolderSample,
    LongLived,
    NotPutBack,
    Request,
    Sight,
    Window,
)

__all__ = [
    "MEANING",
    "Budget",
    "Ceiling",
    "Event",
    "FaultEvidence",
    "FaultInterval",
    "HolderSample",
    "Kind",
    "LongLived",
    "Measure",
    "NotPutBack",
    "Request",
    "RequestOutcome",
    "Sight",
    "Theory",
    "Window",
]

FORMAT = 1
UNKNOWN, INTERRUPTED = 3, 130  # exit codes


@dataclass(frozen=True)
class Repeat:
    """One time that a drill was done.

    `measured_s`: what the budget is about, None where there was nothing to measure.
    `reference_s`: the moment from which recovery and "one holder" are counted.
    `one_holder_s`: from then until exactly one node held the address, for good.
    `moves`: how often a node took the address from the fault until it was undone.
    `min_holders`, `max_holders`: the fewest and the most at a time where exactly one is right (see
    `holder_timeline.fewest_and_most`).
    `void`: why this repeat does not count, "" if it does. `problems`: what was not as it must be.
    `notes`: what else was measured, in words. `evidence`: what shows that the fault bit.
    `limited`: how many of the lost requests count against the ceiling; `slowest_s`: the slowest
    answer. Reports of earlier versions do not have these three.
    `announced`: all nodes hold the address, and who is said to is announcing it to routers; then
    `moves` is how often one ceased to.
    """

    number: int
    started: str
    duration_s: float
    requests: tuple[Request, ...]
    holders: tuple[HolderSample, ...]
    faults: tuple[FaultInterval, ...]
    events: tuple[Event, ...]
    windows: tuple[Window, ...]
    lost: dict[RequestOutcome, int]
    measured_s: float | None
    reference_s: float
    detection_s: float | None
    takeover_s: float | None
    one_holder_s: float | None
    moves: int
    min_holders: int
    max_holders: int
    probe_lag_max_s: float
    void: str = ""
    problems: tuple[str, ...] = ()
    long_lived: tuple[LongLived, ...] = ()
    notes: tuple[str, ...] = ()
    evidence: FaultEvidence | None = None
    limited: int | None = None
    slowest_s: float | None = None
    announced: bool = False

    @property
    def step_s(self) -> float:
        """Between one request and the next, where there were several."""
        due = [request.due_s for request in self.requests]
        return (max(due) - min(due)) / max(1, len(due) - 1)

    @property
    def lost_count(self) -> int:
        return sum(self.lost.values())


def lost_median(repeats: Iterable[Repeat]) -> float | None:
    """Requests lost per repeat; None without any repeat."""
    counts = [repeat.lost_count for repeat in repeats]
    return statistics.median(counts) if counts else None


def _sum(losses: Iterable[dict[RequestOutcome, int]]) -> dict[RequestOutcome, int]:
    found: Counter[RequestOutcome] = Counter()
    for lost in losses:
        found.update(lost)
    return dict(found)


@dataclass(frozen=True)
class Spread:
    """The repeats that count, in seconds."""

    min_s: float
    median_s: float
    max_s: float


@dataclass(frozen=True)
class Audit:
    """The verifier's verdict. `bad`: "X-01 cluster web: ..." for everything that does not hold.

    `warned`: the check and the machine of each warning, "NGX-09 host1".
    """

    passed: bool
    sentence: str
    bad: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()

    @property
    def against(self) -> tuple[str, ...]:
        """What speaks against the cluster: never nothing where it did not pass."""
        return self.bad or (() if self.passed else (self.sentence,))


class DrillVerdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    # Too few repeats count: the fault did not bite, or what watches it was late or not there.
    VOID = "void"


@dataclass(frozen=True)
class DrillResult:
    """One drill on one cluster. `reasons`: why it was skipped, void, or has failed."""

    name: str
    title: str
    breaks: str
    sentence: str
    cluster: str
    profile: str
    measure: Measure
    theory: Theory | None
    budget: Budget
    verdict: DrillVerdict
    reasons: tuple[str, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    spread: Spread | None = None
    before: Audit | None = None
    after: Audit | None = None
    ceiling: Ceiling | None = None

    @property
    def counted(self) -> tuple[Repeat, ...]:
        return tuple(repeat for repeat in self.repeats if not repeat.void)

    @cached_property
    def lost(self) -> dict[RequestOutcome, int]:
        """Requests lost in all repeats that count, by class."""
        return _sum(repeat.lost for repeat in self.counted)

    @property
    def loads(self) -> tuple[tuple[LongLived, ...], ...]:
        """The long-lived load of each repeat that counts and has one."""
        return tuple(repeat.long_lived for repeat in self.counted if repeat.long_lived)

    @property
    def lost_median(self) -> float | None:
        """Requests lost per repeat; None without any repeat that counts."""
        return lost_median(self.counted)


@dataclass(frozen=True)
class Baseline:
    """What another profile's report says about one drill, to be put beside it."""

    name: str
    cluster: str
    verdict: DrillVerdict
    spread: Spread | None
    lost_median: float
    max_holders: int


@dataclass(frozen=True)
class Against:
    """The report that this one is compared with."""

    profile: str
    started: str
    drills: tuple[Baseline, ...]

    def of(self, drill: DrillResult) -> Baseline | None:
        named = [base for base in self.drills if base.name == drill.name]
        same = [base for base in named if base.cluster == drill.cluster]
        return next(iter(same or named), None)


@dataclass(frozen=True)
class Controller:
    """The machine that the prober ran on."""

    name: str
    cpus: int
    kernel: str
    lab: bool
    load_before: float
    load_after: float


@dataclass(frozen=True)
class ClusterInfo:
    """`versions`: by node, what runs there: {"nginx": "1.30.6", "keepalived": "2.2.7"}."""

    name: str
    vip: str
    nodes: tuple[str, ...]
    versions: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """One run of drill.py.

    `to_come`: the drills ("nginx-crash on web") that had not been done when it was written.
    """

    started: str
    seconds: float
    profile: str
    rate: float
    repeats: int
    controller: Controller
    clusters: tuple[ClusterInfo, ...]
    drills: tuple[DrillResult, ...]
    before: Audit
    against: Against | None = None
    interrupted: str = ""
    not_put_back: tuple[NotPutBack, ...] = ()
    to_come: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def lost(self) -> dict[RequestOutcome, int]:
        """Requests lost in all drills, by class."""
        return _sum(drill.lost for drill in self.drills)

    @property
    def exit_code(self) -> int:
        """0: all that was done passed, and something was; 1: something failed, or was not put
        back; 3: nothing failed, but not everything is known, or nothing was done; 130: interrupted,
        and all is put back."""
        verdicts = {drill.verdict for drill in self.drills}
        if self.not_put_back:
            return 1
        if self.interrupted:
            return INTERRUPTED
        if DrillVerdict.FAILED in verdicts:
            return 1
        known = DrillVerdict.PASSED in verdicts and DrillVerdict.VOID not in verdicts
        return 0 if known and not self.to_come else UNKNOWN

    @property
    def passed(self) -> bool:
        return self.exit_code == 0


_REPORT = TypeAdapter(Report)


def to_json(report: Report) -> bytes:
    return _REPORT.dump_json(report, indent=None) + b"\n"


def from_json(text: bytes | str) -> Report:
    """Raises `ValueError` (pydantic's `ValidationError`) for anything else than a report."""
    return _REPORT.validate_json(text)
