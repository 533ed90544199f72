"""Where a value is drawn: a straight scale for time, and one for durations that shows 0 as well."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Below the first decade there is no room on a logarithmic scale; 0 gets a place of its own.
ROOM_FOR_ZERO = 0.08


@dataclass(frozen=True)
class Straight:
    """From `low`..`high` (seconds) to `start`..`end` (pixels)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Round values, `most` of them at the most."""
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(step for m in (1, 2, 5, 10) if (step := m * power) >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 9) for index in range(first, last + 1)]


@dataclass(frozen=True)
class Decades:
    """Logarithmic from `low`..`high` (seconds) to `start`..`end` (pixels); beyond, at the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """The powers of ten."""
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high) + 1e-9)
        return [10.0**power for power in range(first, last + 1)]


@dataclass(frozen=True)
class FromZero(Decades):
    """0 at `start`, then straight up to `low`, and logarithmic from there to `high` at `end`."""

    def __call__(self, value: float) -> float:
        first = self.start + ROOM_FOR_ZERO * (self.end - self.start)
        if value >= self.low:
            return Decades(self.low, self.high, first, self.end)(value)
        return self.start + max(value, 0) / self.low * (first - self.start)

    def ticks(self) -> list[float]:
        return [0.0, *super().ticks()]
