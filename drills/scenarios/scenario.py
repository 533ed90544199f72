"""What a drill does to a cluster, beside what it may cost (analysis/expectation.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drills.analysis.expectation import Expectation
from drills.control.cluster_control import ClusterControl
from drills.results import Request

Steps = Callable[[ClusterControl], None]


@dataclass(frozen=True, kw_only=True)
class Drill(Expectation):
    """A scenario and its expectation.

    `steps`: the scenario. It breaks something and waits until it is clear what came of it; whatever
    it leaves broken the runner undoes, with the prober still running. `prepare`: steps before the
    prober starts. `check`: what the machines tell afterwards, in words; "" when that is as it has
    to be.

    `needs`, several with commas: "lab" (cable, power), "nft" (filters adverts), "clock" (one that
    can be set), "older" (an nginx to upgrade from), "room" (for many clients), "slow" (for those
    that are slow), "systemd", "rules" (the hand-over's), "ipv4" (a VIP of it), "vip6".

    `times`: how often it is done for each repeat that was asked for. `about_s`: the length of one
    repeat, for estimates.
    """

    steps: Steps
    prepare: Steps | None = None
    check: Callable[[ClusterControl, Sequence[Request]], str] | None = None
    needs: str = ""
    times: float = 1
    about_s: float = 4.0

    @property
    def all_needs(self) -> tuple[str, ...]:
        """Each of its needs."""
        return tuple(filter(None, self.needs.split(",")))

    def repeats(self, asked_for: int) -> int:
        return max(1, round(self.times * asked_for))
