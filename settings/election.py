"""Who holds the VIP: the priorities and weights that keepalived is given, and what they elect.

A node's position in the inventory decides its priority, at the top of VRRP's range: when the
holder has resigned, the first standby waits (256 - priority) / 256 of an advert interval, which is
then about a hundredth of it. Every other standby waits longer, until it must have heard the first.

A node whose nginx is dead leaves the election (FAULT), as long as another's lives. If nginx is
dead everywhere, all of them come back with `last_resort` taken off, so that the VIP still has one
place. `maintenance` is taken off a node that is drained by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HIGHEST_PRIORITY = 254
# A tenth of an advert interval in the wait (5 ms by default): more than an advert takes.
STEP = 26
# All weights together may take the last node down to 1: priority(last) + maintenance + last_resort.
WIDEST_SPAN = 62


@dataclass(frozen=True)
class Weights:
    """What is taken off a priority; negative numbers."""

    maintenance: int
    last_resort: int


@dataclass(frozen=True)
class NodeState:
    """One node in an election: `dead` is its nginx, `drained` by hand."""

    dead: bool
    drained: bool


def priority(position: int, nodes: int) -> int:
    """The priority (1 to 254) of the node at `position`, counted from 0, of so many nodes.

    The preferred node and the first standby are one apart; the others follow at a distance.
    """
    if position == 0:
        return HIGHEST_PRIORITY
    step = min(STEP, (WIDEST_SPAN - 1) // max(1, nodes - 2))
    return HIGHEST_PRIORITY - 1 - (position - 1) * step


def weights(nodes: int) -> Weights:
    """Weights for so many nodes that never elect a worse one.

    With span = highest - lowest priority, it takes |maintenance| > span and
    |last_resort| > |maintenance| + span.
    """
    span = priority(0, nodes) - priority(nodes - 1, nodes)
    return Weights(maintenance=-span - 1, last_resort=-2 * span - 2)


def effective_priorities(states: Sequence[NodeState]) -> list[int | None]:
    """Each node's priority in the election; None for a node that is out of it (FAULT)."""
    taken_off = weights(len(states))
    all_dead = all(state.dead for state in states)
    return [
        None
        if state.dead and not all_dead
        else priority(position, len(states))
        + (taken_off.maintenance if state.drained else 0)
        + (taken_off.last_resort if state.dead else 0)
        for position, state in enumerate(states)
    ]


def elected(states: Sequence[NodeState]) -> int:
    """The position of the node that holds the VIP."""
    effective = effective_priorities(states)
    running = [(value, position) for position, value in enumerate(effective) if value is not None]
    return max(running)[1]
