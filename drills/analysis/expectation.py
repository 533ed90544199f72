"""What a drill may cost and what has to hold while it is done, by a cluster's timing. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from drills.analysis.expected_outage import Timing, nothing
from drills.analysis.fault_evidence import Clue
from drills.analysis.holder_rules import ONE_HOLDER, HolderRules
from drills.analysis.routed_outage import RoutedTiming
from drills.results import Budget, Ceiling, Measure, Theory

# Beyond what arithmetic allows, where the settings are slow on purpose.
SLACK_S = 1.0
# And where routers are told by BFD, whose interval is a setting.
MARGIN_S = 0.04
UNNOTICED = Budget(lost=0, moves=0)
# The worst repeat may take twice the median's budget, and always so much more: on a busy machine a
# process gets its CPU that much later.
WORST_FACTOR, WORST_MORE_S = 2.0, 0.25
# Where nobody ends a fault, it lasts until the drill does: it is watched for some seconds.
UNDONE_S = 5.0
# Once a node holds the address that nobody had, it has to answer within so long.
HELD_S = 1.0
# A client's first packet may wait for the address to be somewhere (0.5 s, then it is lost).
SLOWEST_S = 0.75


@dataclass(frozen=True)
class Expectation:
    """A drill as a verdict and a report know it.

    `breaks`: what is done to the cluster, in words. `theory`: what that costs by arithmetic, None
    where the protocol does not say. `evidence`: how one sees that it has happened; without, a
    repeat does not count. `one_holder`: exactly one node has to hold the address also while the
    fault lasts, and from `steady_s` after it (or after the way back was open) at the latest.
    `long_lived`: connections and downloads go on meanwhile.

    `worst_s`: what the worst repeat may take, if not what its budget says (`ceiling`).
    `slowest_s`: its slowest answer. `nowhere`: for a while no machine is there to hold the address,
    for as long as machines boot: what is lost meanwhile is not limited by a number. `rules`: who
    has to hold the address, if not one node.

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
    worst_s: float | None = None
    slowest_s: float = SLOWEST_S
    nowhere: bool = False
    rules: HolderRules = ONE_HOLDER
    evidence: Clue = field(kw_only=True)

    def ceiling(self, rate: float) -> Ceiling:
        """What no repeat may exceed, at so many requests per second."""
        budget = self.budget
        if not budget.loss_is_time:
            lost = budget.lost or 0
            return Ceiling(lost / rate, lost, self.slowest_s)
        if self.worst_s is not None:
            seconds = self.worst_s
        elif budget.seconds is None and budget.lost is None:
            seconds = self.steady_s + UNDONE_S
        else:
            usual_s = max(budget.seconds or 0.0, (budget.lost or 0) / rate)
            seconds = max(WORST_FACTOR * usual_s, usual_s + WORST_MORE_S)
        lost_s = min(HELD_S, seconds) if self.nowhere else seconds
        return Ceiling(round(seconds, 2), math.ceil(rate * lost_s), self.slowest_s)

    def fitted(self, timing: Timing) -> Self:
        """The same with a budget that the cluster's settings can keep.

        Budgets are written for the defaults. A routed cluster's slower BFD, and the recipe's own
        settings (VRRPv2, a priority that is lowered by polling) are held to their arithmetic; in
        what is right or wrong nothing changes.
        """
        budget, found = self.budget, self.theory(timing)
        if isinstance(timing, RoutedTiming):
            if budget.seconds is not None and found and found.high_s + MARGIN_S > budget.seconds:
                budget = replace(budget, seconds=round(found.high_s + MARGIN_S, 2))
            return replace(self, budget=budget, rules=self.rules.fitted(timing))
        if not timing.fault_by_check:
            return self
        slowest_s = round(max(timing.dead_s, found.high_s if found else 0.0) + SLACK_S, 2)
        if budget.seconds is not None:
            budget = replace(budget, seconds=slowest_s if found else None)
        if budget.one_holder_s is not None:
            budget = replace(budget, one_holder_s=slowest_s)
        return replace(self, budget=budget, steady_s=slowest_s)
