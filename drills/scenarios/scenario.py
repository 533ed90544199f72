"""What a drill is, and how a cluster's settings change what it may cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from drills.analysis.expected_outage import Timing
from drills.control.cluster_control import Stage
from drills.results import Budget, Measure, Request, Theory
from drills.scenarios.failures import Play


@dataclass(frozen=True)
class Drill:
    """`needs`: "lab" (cable, power), "nft" (filters adverts), "clock" (one that can be set),
    "older" (an nginx to upgrade from), "room" (for many clients).

    `alone`: exactly one node has to hold the address also while the fault lasts. `times`: how
    often it is done for each repeat that was asked for. `about_s`: one repeat, for estimates.
    `steady_s`: so long after the fault (or the way back) exactly one node has to hold the address.
    `long_lived`: connections and downloads go on meanwhile. `check`: what the machines tell
    afterwards, in words; "" when that is as it has to be.
    """

    name: str
    title: str
    breaks: str
    play: Play
    theory: Callable[[Timing], Theory | None]
    budget: Budget
    prepare: Play | None = None
    needs: str = ""
    measure: Measure = Measure.OUTAGE
    alone: bool = True
    times: float = 1
    about_s: float = 4.0
    steady_s: float = 1.0
    long_lived: bool = False
    check: Callable[[Stage, Sequence[Request]], str] | None = None

    def repeats(self, asked_for: int) -> int:
        return max(1, round(self.times * asked_for))


# Beyond what arithmetic allows, where the settings are slow on purpose.
SLACK_S = 1.0


def fitted(drill: Drill, timing: Timing) -> Drill:
    """The drill with a budget that the cluster's settings can keep.

    The budgets below are those of the default profile. The recipe's own (VRRPv2, a priority that
    is lowered by polling) is held to its arithmetic; in what is right or wrong nothing changes.
    """
    if not timing.fault_by_check:
        return drill
    budget, found = drill.budget, drill.theory(timing)
    slowest_s = round(max(timing.dead_s, found.high_s if found else 0.0) + SLACK_S, 2)
    if budget.seconds is not None:
        budget = replace(budget, seconds=slowest_s if found else None)
    if budget.one_holder_s is not None:
        budget = replace(budget, one_holder_s=slowest_s)
    return replace(drill, budget=budget, steady_s=slowest_s)
