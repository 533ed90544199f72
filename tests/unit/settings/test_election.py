"""The VIP is never where it should not be: every combination of dead and drained nodes."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from settings.election import NodeState, effective_priorities, elected, priority, weights

STATES = [NodeState(dead, drained) for dead in (False, True) for drained in (False, True)]
ALL = [states for nodes in range(2, 6) for states in product(STATES, repeat=nodes)]


def test_every_combination_of_up_to_five_nodes_is_looked_at() -> None:
    assert len(ALL) == 4**2 + 4**3 + 4**4 + 4**5


@pytest.mark.parametrize("nodes", range(2, 6))
def test_a_living_node_goes_before_a_dead_one_and_a_free_one_before_a_drained_one(
    nodes: int,
) -> None:
    for states in product(STATES, repeat=nodes):
        holder = elected(states)
        rank = [(state.dead, state.drained, position) for position, state in enumerate(states)]
        assert holder == min(rank)[2], states


def test_no_two_nodes_are_ever_equal() -> None:
    for states in ALL:
        effective = [value for value in effective_priorities(states) if value is not None]
        assert len(set(effective)) == len(effective), states


def test_somebody_is_always_elected_and_every_priority_is_one_that_keepalived_takes() -> None:
    for states in ALL:
        effective = [value for value in effective_priorities(states) if value is not None]
        assert effective
        assert all(1 <= value <= 254 for value in effective)


def test_the_margins_are_those_that_the_docstring_promises() -> None:
    for nodes in range(2, 6):
        span = priority(0, nodes) - priority(nodes - 1, nodes)
        assert -weights(nodes).maintenance > span
        assert -weights(nodes).last_resort > -weights(nodes).maintenance + span


def test_a_pair_is_one_apart_and_further_standbys_wait_until_they_have_heard_the_first() -> None:
    assert [priority(position, 2) for position in range(2)] == [254, 253]
    for nodes in range(3, 6):
        line = [priority(position, nodes) for position in range(nodes)]
        assert line[:2] == [254, 253]
        # In 256ths of an advert interval: 4 ms of the default 50.
        assert all(one - other >= 20 for one, other in pairwise(line[1:]))


def test_as_many_nodes_as_there_may_be_have_priorities_of_their_own() -> None:
    line = [priority(position, 63) for position in range(63)]
    assert len(set(line)) == 63
    taken_off = weights(63)
    assert line[-1] + taken_off.maintenance + taken_off.last_resort >= 1
