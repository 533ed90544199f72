"""The result of a bench: comparisons of measured series, with goals, stored as JSON."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import TypeAdapter


class Better(StrEnum):
    """The direction in which a value is better."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Series:
    """Repeated measurements of one thing; `unit` is s, ms, requests/s, kB, …"""

    who: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


@dataclass(frozen=True)
class Goal:
    """A limit for the ratio to the rival, or (`ratio=False`) for our own median in its unit."""

    ratio: bool
    at_least: float | None = None
    at_most: float | None = None

    def met_by(self, figure: float) -> bool:
        low_enough = self.at_most is None or figure <= self.at_most
        return low_enough and (self.at_least is None or figure >= self.at_least)


def times(at_least: float) -> Goal:
    """The goal of being so many times better than the rival."""
    return Goal(ratio=True, at_least=at_least)


def at_most(value: float) -> Goal:
    """The goal of a median not above `value`."""
    return Goal(ratio=False, at_most=value)


def at_least(value: float) -> Goal:
    """The goal of a median not below `value`."""
    return Goal(ratio=False, at_least=value)


@dataclass(frozen=True)
class Comparison:
    """Our series beside a rival's, or alone. `note` explains how to read it."""

    what: str
    ours: Series
    rival: Series | None = None
    goal: Goal | None = None
    better: Better = Better.LOWER
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better our median is; None without a rival, or for division by zero."""
        if self.rival is None:
            return None
        over, under = self.rival.median, self.ours.median
        if self.better is Better.HIGHER:
            over, under = under, over
        return over / under if under else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal, or if both medians are zero."""
        if self.goal is None:
            return None
        if not self.goal.ratio:
            return self.goal.met_by(self.ours.median)
        if self.ratio is not None:
            return self.goal.met_by(self.ratio)
        # Zero beside something is better than any factor; zero beside zero says nothing.
        return True if self.rival and self.rival.median else None


@dataclass(frozen=True)
class BenchMachine:
    """The computer that ran the bench, with its load averages."""

    cpus: int
    model: str
    kernel: str
    memory_mb: int
    load_before: float
    load_after: float


@dataclass(frozen=True)
class BenchResult:
    """One run of a bench. `notes`: how it was measured, and what could not be measured."""

    bench: str
    title: str
    started: str
    seconds: float
    quick: bool
    machine: BenchMachine
    rows: tuple[Comparison, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)


_RESULT = TypeAdapter(BenchResult)


def to_json(result: BenchResult) -> bytes:
    """The result as indented JSON."""
    return _RESULT.dump_json(result, indent=2) + b"\n"


def from_json(text: bytes) -> BenchResult:
    """The result in a JSON text. Raises `ValueError` if there is none."""
    return _RESULT.validate_json(text)
