"""What a drill may cost and what has to hold while it is done, by a cluster's timing. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from drills.analysis.expected_outage import Timing, nothing
from drills.results import Budget, Measure, Theory

# Beyond what arithmetic allows, where the settings are slow on purpose.
SLACK_S = 1.0
UNNOTICED = Budget(lost=0, moves=0)


@dataclass(frozen=True)
class Expectation:
    """A drill as a verdict and a report know it.

    `breaks`: what is done to the cluster, in words. `theory`: what that costs by arithmetic, None
    where the protocol does not say. `one_holder`: exactly one node has to hold the address also
    while the fault lasts, and from `steady_s` after it (or after the way back was open) at the
    latest. `long_lived`: connections and downloads go on meanwhile.

    Without `theory` and `budget` nothing may be noticed of it.
    """

    name: str
    title: str
    breaks: str
    theory: Callable[[Timing], Theory | None] = nothing
    budget: Budget = UNNOTICED
    measure: Measure = Measure.OUTAGE
    one_holder: bool = True
    steady_s: float = 1.0
    long_lived: bool = False

    def fitted(self, timing: Timing) -> Self:
        """The same with a budget that the cluster's settings can keep.

        Budgets are written for the default profile. The recipe's own (VRRPv2, a priority that is
        lowered by polling) is held to its arithmetic; in what is right or wrong nothing changes.
        """
        if not timing.fault_by_check:
            return self
        budget, found = self.budget, self.theory(timing)
        slowest_s = round(max(timing.dead_s, found.high_s if found else 0.0) + SLACK_S, 2)
        if budget.seconds is not None:
            budget = replace(budget, seconds=slowest_s if found else None)
        if budget.one_holder_s is not None:
            budget = replace(budget, one_holder_s=slowest_s)
        return replace(self, budget=budget, steady_s=slowest_s)
