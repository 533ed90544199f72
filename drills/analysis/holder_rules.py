"""Who has to hold the address when, as a verdict asks: one node, by VRRP. Pure.

Routed clusters have rules of their own (serving_rules.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from drills.analysis import holder_timeline
from drills.analysis.expected_outage import Timing
from drills.results import Budget, HolderSample, Repeat

Answers = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class HolderRules:
    """Exactly one node holds the address. `announced`: whether it is on all, which say so."""

    announced: ClassVar[bool] = False

    def fitted(self, timing: Timing) -> Self:
        """The same for a cluster of that timing."""
        return self

    def moments(self, samples: Sequence[HolderSample]) -> tuple[tuple[float, str], ...]:
        """When which node took the address: until then an outage is detection."""
        return holder_timeline.gains(samples)

    def void(self, samples: Sequence[HolderSample], answers: Answers) -> str:
        """Why nothing follows from this timeline; "" when something does."""
        return holder_timeline.void(samples, answers)

    def fewest_and_most(
        self,
        samples: Sequence[HolderSample],
        steady: Sequence[tuple[float, float]],
        move_s: float,
        answers: Answers,
    ) -> tuple[int, int]:
        """How many held it at a time, in the `steady` intervals."""
        return holder_timeline.fewest_and_most(samples, steady, move_s=move_s, answers=answers)

    def settled_s(
        self, samples: Sequence[HolderSample], from_s: float, to_s: float
    ) -> float | None:
        """After how long it was as it has to be, for good; None if never, or not asked for."""
        return holder_timeline.one_holder_s(samples, from_s, to_s)

    def problems(self, made: Repeat, budget: Budget) -> Iterator[str]:
        """What was not as it has to be, in words; where the monitor knows it."""
        if budget.moves is not None and made.moves > budget.moves:
            allowed = "none is" if budget.moves == 0 else f"{budget.moves} is"
            yield f"the address moved {made.moves} times, and {allowed} allowed"
        if budget.one_holder_s is not None:
            if made.one_holder_s is None:
                yield "there was not one holder again while the fault lasted"
            elif budget.timed and made.one_holder_s > budget.one_holder_s:
                took = f"one holder after {made.one_holder_s:.2f} s"
                yield f"{took}, and {budget.one_holder_s:g} s are allowed"
        if (made.min_holders, made.max_holders) != (1, 1):
            what = f"{made.min_holders} to {made.max_holders} holders"
            yield f"{what} where it has to be exactly one"

    def notes(self, made: Repeat) -> Iterator[str]:
        """What else is worth to be known, in words."""
        yield from ()


ONE_HOLDER = HolderRules()
