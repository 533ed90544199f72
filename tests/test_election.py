"""The VIP is never where it should not be: every combination of dead and drained nodes."""

from __future__ import annotations

from itertools import product

import pytest

from election import Standing, effective_priorities, elected, priority, weights

STATES = [Standing(dead, drained) for dead in (False, True) for drained in (False, True)]
ALL = [states for nodes in range(2, 6) for states in product(STATES, repeat=nodes)]


def test_every_combination_of_up_to_five_nodes_is_looked_at() -> None:
    assert len(ALL) == 4**2 + 4**3 + 4**4 + 4**5


@pytest.mark.parametrize("nodes", range(2, 6))
def test_a_living_node_goes_before_a_dead_one_and_a_free_one_before_a_drained_one(
    nodes: int,
) -> None:
    for standings in product(STATES, repeat=nodes):
        holder = elected(standings)
        rank = [
            (standing.dead, standing.drained, place) for place, standing in enumerate(standings)
        ]
        assert holder == min(rank)[2], standings


def test_no_two_nodes_are_ever_equal() -> None:
    for standings in ALL:
        effective = [value for value in effective_priorities(standings) if value is not None]
        assert len(set(effective)) == len(effective), standings


def test_somebody_is_always_elected_and_every_priority_is_one_that_keepalived_takes() -> None:
    for standings in ALL:
        effective = [value for value in effective_priorities(standings) if value is not None]
        assert effective
        assert all(1 <= value <= 254 for value in effective)


def test_the_margins_are_those_that_the_docstring_promises() -> None:
    for nodes in range(2, 6):
        span = priority(0) - priority(nodes - 1)
        assert -weights(nodes).maintenance > span
        assert -weights(nodes).last_resort > -weights(nodes).maintenance + span
