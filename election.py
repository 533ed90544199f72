"""Who holds the VIP: the priorities and weights that keepalived is given, and what they elect.

A node's place in the inventory decides its priority, at the top of VRRP's range: the wait after a
goodbye, (256 - priority) / 256 of an advert interval, is then a few thousandths of it.

A node whose nginx is dead leaves the election (FAULT), as long as another's lives. If nginx is
dead everywhere, all of them come back with `last_resort` taken off, so that the VIP still has one
place. `maintenance` is taken off a node that is drained by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HIGHEST_PRIORITY = 254


@dataclass(frozen=True)
class Weights:
    """What is taken off a priority; negative numbers."""

    maintenance: int
    last_resort: int


@dataclass(frozen=True)
class Standing:
    """One node in an election."""

    dead: bool
    drained: bool


def priority(place: int) -> int:
    """The priority of the node at `place` in line, counted from 0."""
    return HIGHEST_PRIORITY - place


def weights(nodes: int) -> Weights:
    """Weights for so many nodes that never elect a worse one.

    With span = highest - lowest priority = nodes - 1, it takes |maintenance| > span and
    |last_resort| > |maintenance| + span.
    """
    return Weights(maintenance=-nodes, last_resort=-2 * nodes)


def effective_priorities(standings: Sequence[Standing]) -> list[int | None]:
    """Each node's priority in the election; None for a node that is out of it (FAULT)."""
    taken_off = weights(len(standings))
    all_dead = all(standing.dead for standing in standings)
    return [
        None
        if standing.dead and not all_dead
        else priority(place)
        + (taken_off.maintenance if standing.drained else 0)
        + (taken_off.last_resort if standing.dead else 0)
        for place, standing in enumerate(standings)
    ]


def elected(standings: Sequence[Standing]) -> int:
    """The place of the node that holds the VIP."""
    effective = effective_priorities(standings)
    running = [(value, place) for place, value in enumerate(effective) if value is not None]
    return max(running)[1]
