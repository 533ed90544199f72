"""What a bench has measured: series with their spread, what they stand beside, and their goals."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import TypeAdapter


class Better(StrEnum):
    """Which way is good."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Series:
    """One thing measured several times; `unit` is s, ms, requests/s, kB, …"""

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
    """What a row should reach: a ratio, or (not `ratio`) the value itself, in its unit."""

    ratio: bool
    at_least: float | None = None
    at_most: float | None = None

    def met_by(self, figure: float) -> bool:
        low_enough = self.at_most is None or figure <= self.at_most
        return low_enough and (self.at_least is None or figure >= self.at_least)


def times(at_least: float) -> Goal:
    """So many times better than the rival."""
    return Goal(ratio=True, at_least=at_least)


def at_most(value: float) -> Goal:
    return Goal(ratio=False, at_most=value)


@dataclass(frozen=True)
class Row:
    """One comparison, or one figure of ours alone. `note`: what has to be known to read it."""

    what: str
    ours: Series
    rival: Series | None = None
    goal: Goal | None = None
    better: Better = Better.LOWER
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; None without a rival, or where ours is nothing at all."""
        if self.rival is None:
            return None
        over, under = self.rival.median, self.ours.median
        if self.better is Better.HIGHER:
            over, under = under, over
        return over / under if under else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal, or where both have lost nothing."""
        if self.goal is None:
            return None
        if not self.goal.ratio:
            return self.goal.met_by(self.ours.median)
        if self.ratio is not None:
            return self.goal.met_by(self.ratio)
        # Nothing against something is more than any factor; nothing against nothing is none.
        return True if self.rival and self.rival.median else None


@dataclass(frozen=True)
class Machine:
    """What it was measured on."""

    cpus: int
    model: str
    kernel: str
    memory_mb: int
    load_before: float
    load_after: float


@dataclass(frozen=True)
class Result:
    """One bench's run. `notes`: how it was measured, and what could not be."""

    bench: str
    title: str
    started: str
    seconds: float
    quick: bool
    machine: Machine
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)


_RESULT = TypeAdapter(Result)


def to_json(result: Result) -> bytes:
    return _RESULT.dump_json(result, indent=2) + b"\n"


def from_json(text: bytes) -> Result:
    """Raises `ValueError` for anything else than a result."""
    return _RESULT.validate_json(text)
