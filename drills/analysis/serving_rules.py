"""Who has to announce the address when, in a routed cluster: all nodes, but for those at which the
drill is. Pure.

What is lost is a share: routers send each node its part of the flows, and only those of a node that
is gone may notice.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drills.analysis import holder_timeline, long_lived_counts
from drills.analysis.expected_outage import Timing
from drills.analysis.holder_rules import Answers, HolderRules
from drills.analysis.holder_timeline import SETTLED_S, TRANSIT_S
from drills.analysis.routed_outage import RoutedTiming
from drills.results import Budget, HolderSample, Repeat, RequestOutcome, Window

# Routers choose by a hash: shares of few requests are what chance makes of them. What is further
# from its mean than so many standard deviations is no chance.
SIGMAS = 4
# A node's share of fresh connections may be so much more or less than that of equal ones.
UNEVEN = 0.15
# After a change of what is announced, routers send what comes by the old set for so long.
SPREADS_S = 0.3
# What a result says of a cluster that was deployed so, as a control.
SWITCHED_OFF = "the second chance is off (handover=False): what moves is reset"
# Of fewer requests it is not told how many were lost.
TOLD_DUE = 10


@dataclass(frozen=True)
class ServingRules(HolderRules):
    """All `nodes` announce the address, but for `out` of them at a time while a drill goes on.

    `their_share`: only the flows of those may be lost meanwhile, not others. `handover`: whether
    what moves gets a second chance; without it what a drill counts is what that is worth.
    """

    announced: ClassVar[bool] = True
    nodes: int = 2
    out: int = 1
    their_share: bool = True
    handover: bool = True

    def fitted(self, timing: Timing) -> Self:
        if not isinstance(timing, RoutedTiming):
            return self
        return replace(self, nodes=timing.nodes, handover=timing.handover)

    def moments(self, samples: Sequence[HolderSample]) -> tuple[tuple[float, str], ...]:
        """When which node withdrew: from then on routers know of it."""
        return withdrawals(samples)

    def void(self, samples: Sequence[HolderSample], answers: Answers) -> str:
        if not samples:
            return "nobody recorded who announced the address"
        if (first_s := samples[0].at_s) > 0:
            return f"nobody recorded who announced the address before {first_s:.2f} s"
        announced = {node for sample in samples for node in sample.holders}
        for node in sorted({node for _, node in answers} - announced - {""}):
            moments = [sent_s for sent_s, by in answers if by == node]
            if moments[-1] - moments[0] > SETTLED_S:
                return (
                    f"{node} has answered from {moments[0]:.2f} s to {moments[-1]:.2f} s, and "
                    "nobody recorded that it announced the address"
                )
        return ""

    def fewest_and_most(
        self,
        samples: Sequence[HolderSample],
        steady: Sequence[tuple[float, float]],
        move_s: float,
        answers: Answers,
    ) -> tuple[int, int]:
        counts = {
            len(names)
            for from_s, to_s in steady
            for begin, end, names in holder_timeline.stretches(samples, from_s, to_s)
            if end - begin > TRANSIT_S
        }
        return (min(counts), max(counts)) if counts else (self.nodes, self.nodes)

    def settled_s(
        self, samples: Sequence[HolderSample], from_s: float, to_s: float
    ) -> float | None:
        return None

    def problems(self, made: Repeat, budget: Budget) -> Iterator[str]:
        if (made.min_holders, made.max_holders) != (self.nodes, self.nodes):
            found = f"{made.min_holders} to {made.max_holders} nodes announced the address"
            yield f"{found} where all {self.nodes} have to"
        yield from self._too_few(made)
        yield from self._untouched(made)
        if self.their_share and self.out:
            for window in made.windows:
                yield from self._more_than_a_share(made, window)
        yield from self._uneven(made)

    def _too_few(self, made: Repeat) -> Iterator[str]:
        least = self.nodes - self.out
        for begin, end, names in holder_timeline.stretches(made.holders, 0.0, made.duration_s):
            if len(names) < least and end - begin > TRANSIT_S:
                yield (
                    f"{len(names)} of {self.nodes} nodes announced the address from {begin:.2f} s "
                    f"to {end:.2f} s, and {least} have to"
                )

    def _untouched(self, made: Repeat) -> Iterator[str]:
        """Where something is done to nodes, the others go on, and so do connections on them."""
        touched = {fault.node for fault in made.faults}
        if not touched or "" in touched:  # something was done to all
            return
        for at_s, node in withdrawals(made.holders):
            if node not in touched:
                yield f"{node} withdrew at {at_s:.2f} s, and nothing was done to it"
        failed = long_lived_counts.failures(made.long_lived)
        broken = [one for one in failed if one.node not in {"", *touched}]
        if broken:
            found = long_lived_counts.broken(broken)
            yield f"{len(broken)} connections of nodes to which nothing was done: {found}"

    def _more_than_a_share(self, made: Repeat, window: Window) -> Iterator[str]:
        lost, due = lost_of(made, window)
        share = self.out / self.nodes
        most = share + SIGMAS * math.sqrt(share * (1 - share) / due)
        if lost > most * due:
            yield (
                f"{lost} of {due} requests were lost from {window.from_s:.2f} s on, and a share of "
                f"{share:.0%} is what {self.out} of {self.nodes} nodes have"
            )

    def _uneven(self, made: Repeat) -> Iterator[str]:
        shares = self.shares(made)
        total = sum(shares.values())
        if total < self.least_for_shares:
            return
        equal = total / self.nodes
        for node, count in shares.items():
            if abs(count - equal) > UNEVEN * equal:
                yield (
                    f"{node} got {count / total:.1%} of {total} fresh connections, and that may be "
                    f"{UNEVEN:.0%} more or less than {1 / self.nodes:.1%}"
                )

    @property
    def least_for_shares(self) -> int:
        """Of so many requests on the shares say something."""
        return math.ceil((self.nodes - 1) * (SIGMAS / UNEVEN) ** 2)

    def shares(self, made: Repeat) -> dict[str, int]:
        """By node, how many fresh connections it has answered while all nodes announced."""
        begins = [sample.at_s for sample in made.holders]
        found: Counter[str] = Counter()
        for request in made.requests:
            at = bisect_right(begins, request.due_s) - 1
            if at < 0 or request.outcome is not RequestOutcome.OK or not request.node:
                continue
            sample = made.holders[at]
            settled = at == 0 or request.due_s - sample.at_s > SPREADS_S
            if settled and len(sample.holders) == self.nodes:
                found[request.node] += 1
        every = {node for sample in made.holders for node in sample.holders}
        return {node: found[node] for node in sorted(every | set(found))} if found else {}

    def notes(self, made: Repeat) -> Iterator[str]:
        if not self.handover:
            yield SWITCHED_OFF
        shares = self.shares(made)
        if total := sum(shares.values()):
            parts = (f"{node} {count / total:.1%}" for node, count in shares.items())
            yield f"of {total} fresh connections {', '.join(parts)}"
        for window in made.windows:
            lost, due = lost_of(made, window)
            if due >= TOLD_DUE:
                yield f"{lost} of the {due} requests of its {window.outage_s:.3f} s were lost"


def withdrawals(samples: Sequence[HolderSample]) -> tuple[tuple[float, str], ...]:
    """When which node ceased to announce the address."""
    return tuple(
        (after.at_s, node)
        for before, after in itertools.pairwise(samples)
        for node in before.holders
        if node not in after.holders
    )


def lost_of(made: Repeat, window: Window) -> tuple[int, int]:
    """How many requests were lost in an outage, of how many that were due in it."""
    due = [one for one in made.requests if window.from_s < one.due_s < window.to_s]
    lost = sum(window.lost.values())
    return lost, max(len(due), lost)
