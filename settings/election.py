"""Who holds the VIP: the priorities and weights that keepalived is given, and what they elect.

A node's position in the inventory decides its priority, at the top of VRRP's range: when the
holder has resigned, the first standby waits (256 - priority) / 256 of an advert interval, which is
then about a hundredth of it. Every other standby waits longer, until it must have heard the first.

A node whose nginx is dead leaves the election (FAULT), as long as another's lives. If nginx is
dead everywhere, all of them come back with `last_resort` taken off, so that the VIP still has one
place. `maintenance` is taken off a node that is drained by hand, and less for each check of a
person's own that fails.

Where the VIP is to stay (`preempt = False`), who holds it has a bonus that outweighs every
position, and no failure: not keepalived's `nopreempt`, with which it would stay on a node that is
drained, or whose nginx is dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HIGHEST_PRIORITY, LOWEST_PRIORITY = 254, 1
# A tenth of an advert interval in the wait (5 ms by default): more than an advert takes.
STEP = 26


@dataclass(frozen=True)
class Weights:
    """What is taken off a priority, negative numbers; `holder`: what is added to the holder's."""

    maintenance: int
    last_resort: int
    holder: int = 0


@dataclass(frozen=True)
class NodeState:
    """One node in an election: `dead` is its nginx, `drained` by hand; `failed`: what those of
    its own checks weigh together that fail."""

    dead: bool
    drained: bool
    failed: int = 0


@dataclass(frozen=True)
class Election:
    """What is given to keepalived on so many nodes.

    + checks: what all own checks weigh together. One unit of it outweighs the order of the nodes.
    + stays: whether the VIP stays with whoever has it.
    """

    nodes: int
    checks: int = 0
    stays: bool = False

    @property
    def is_possible(self) -> bool:
        """Whether there are priorities enough for it."""
        return self._widest_span >= self.nodes - 1

    @property
    def most_checks(self) -> int:
        """The most that own checks may weigh together on so many nodes; -1 for too many nodes."""
        weighed = range(HIGHEST_PRIORITY)
        able = [each for each in weighed if Election(self.nodes, each, self.stays).is_possible]
        return max(able, default=-1)

    @property
    def _widest_span(self) -> int:
        """All weights together may take the last node down to 1, see `weights`: with what makes
        the difference between two that are well, `reach`, that is 4 reach + 4 (reach + 1) checks
        + 3."""
        room = HIGHEST_PRIORITY - LOWEST_PRIORITY - 3
        reach = (room - 4 * self.checks) // (4 * self.checks + 4)
        return (reach - 1) // 2 if self.stays else reach

    @property
    def _step(self) -> int:
        return max(1, min(STEP, (self._widest_span - 1) // max(1, self.nodes - 2)))

    @property
    def span(self) -> int:
        """Highest - lowest priority."""
        return 1 + max(0, self.nodes - 2) * self._step if self.nodes > 1 else 0

    @property
    def bonus(self) -> int:
        """What is added to the holder's priority; 0 where the VIP does not stay."""
        return self.span + 1 if self.stays else 0

    @property
    def _reach(self) -> int:
        return self.span + self.bonus

    def priority(self, position: int) -> int:
        """The priority (1 to 254) of the node at `position`, counted from 0.

        The preferred node and the first standby are one apart; the others follow at a distance.
        """
        first = HIGHEST_PRIORITY - self.bonus
        return first if position == 0 else first - 1 - (position - 1) * self._step

    def check_weight(self, weight: int) -> int:
        """What is taken off where an own check fails, a negative number."""
        return -weight * (self._reach + 1)

    @property
    def weights(self) -> Weights:
        """Weights that never elect a worse node.

        With reach = the most that two nodes that are well may differ by, and checks = what all own
        checks take off, it takes |maintenance| > reach + checks, and |last_resort| > |maintenance|
        + reach + checks.
        """
        least = self._reach + 1 - self.check_weight(self.checks)
        return Weights(maintenance=-least, last_resort=-2 * least, holder=self.bonus)

    def effective_priorities(
        self, states: Sequence[NodeState], holder: int | None = None
    ) -> list[int | None]:
        """Each node's priority in the election; None for a node that is out of it (FAULT).

        holder: the position of the node that holds the VIP.
        """
        weights = self.weights
        all_dead = all(state.dead for state in states)
        return [
            None
            if state.dead and not all_dead
            else self.priority(position)
            + (weights.maintenance if state.drained else 0)
            + (weights.last_resort if state.dead else 0)
            + (weights.holder if position == holder else 0)
            + self.check_weight(state.failed)
            for position, state in enumerate(states)
        ]

    def elected(self, states: Sequence[NodeState], holder: int | None = None) -> int:
        """The position of the node that holds the VIP, where `holder` has it."""
        effective = self.effective_priorities(states, holder)
        running = [(value, place) for place, value in enumerate(effective) if value is not None]
        return max(running)[1]
