"""The VIP is never where it should not be: every combination of dead and drained nodes, of own
checks that fail, and of who has it."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from settings.election import Election, NodeState

STATES = [NodeState(dead, drained) for dead in (False, True) for drained in (False, True)]
ALL = [states for nodes in range(2, 6) for states in product(STATES, repeat=nodes)]
# The weights of own checks: one, several alike, and such that several weigh as much as another.
CHECKS = [(1,), (1, 1), (1, 2), (1, 2, 3), (5,), (3, 3, 4)]
# (election, weights of its checks), as far as there is room.
WITH_CHECKS = [
    (election, weights)
    for nodes, weights, stays in product(range(2, 4), CHECKS, (False, True))
    if (election := Election(nodes, sum(weights), stays)).is_possible
]


def test_every_combination_of_up_to_five_nodes_is_looked_at() -> None:
    assert len(ALL) == 4**2 + 4**3 + 4**4 + 4**5
    assert {election.nodes for election, _ in WITH_CHECKS if election.stays} == {2, 3}


@pytest.mark.parametrize("nodes", range(2, 6))
def test_a_living_node_goes_before_a_dead_one_and_a_free_one_before_a_drained_one(
    nodes: int,
) -> None:
    for states in product(STATES, repeat=nodes):
        holder = Election(nodes).elected(states)
        rank = [(state.dead, state.drained, position) for position, state in enumerate(states)]
        assert holder == min(rank)[2], states


@pytest.mark.parametrize("nodes", range(2, 5))
def test_where_it_stays_it_moves_only_to_a_better_node(nodes: int) -> None:
    election = Election(nodes, stays=True)
    for states, before in product(product(STATES, repeat=nodes), range(nodes)):
        rank = [
            (state.dead, state.drained, position != before, position)
            for position, state in enumerate(states)
        ]
        # One that has left the election has lost it to whoever is in it.
        assert election.elected(states, before) == min(rank)[3], (states, before)


@pytest.mark.parametrize(("election", "weights"), WITH_CHECKS, ids=str)
def test_own_checks_move_it_and_never_to_a_drained_or_a_dead_node(
    election: Election, weights: tuple[int, ...]
) -> None:
    """Dead, then drained, then the most that fails, then who has it, then the order."""
    sums = sorted({sum(weights[:n]) for n in range(len(weights) + 1)} | set(weights))
    states = [
        NodeState(dead, drained, failed)
        for dead, drained, failed in product((False, True), (False, True), sums)
    ]
    for line in product(states, repeat=election.nodes):
        for before in range(election.nodes) if election.stays else [None]:
            rank = [
                (state.dead, state.drained, state.failed, place != before, place)
                for place, state in enumerate(line)
            ]
            assert election.elected(line, before) == min(rank)[4], (line, before)


@pytest.mark.parametrize(("election", "weights"), WITH_CHECKS, ids=str)
def test_every_priority_is_one_that_keepalived_takes(
    election: Election, weights: tuple[int, ...]
) -> None:
    extremes = [NodeState(False, False, 0), NodeState(True, True, sum(weights))]
    for state, holder in product(extremes, range(election.nodes)):
        line = election.effective_priorities([state] * election.nodes, holder)
        assert all(value is not None and 1 <= value <= 254 for value in line), line


def test_no_two_nodes_are_ever_equal() -> None:
    for states in ALL:
        line = Election(len(states)).effective_priorities(states)
        effective = [value for value in line if value is not None]
        assert len(set(effective)) == len(effective), states


def test_somebody_is_always_elected_and_every_priority_is_one_that_keepalived_takes() -> None:
    for states in ALL:
        line = Election(len(states)).effective_priorities(states)
        effective = [value for value in line if value is not None]
        assert effective
        assert all(1 <= value <= 254 for value in effective)


@pytest.mark.parametrize("stays", [False, True])
def test_the_margins_are_those_that_the_docstring_promises(stays: bool) -> None:
    for nodes, checks in product(range(2, 6), range(3)):
        election = Election(nodes, checks, stays)
        if not election.is_possible:
            continue
        line = [election.priority(position) for position in range(nodes)]
        assert election.span == line[0] - line[-1]
        assert (election.bonus > election.span) == stays
        reach, own = election.span + election.bonus, -election.check_weight(checks)
        assert -election.check_weight(1) > reach
        assert -election.weights.maintenance > reach + own
        assert -election.weights.last_resort > -election.weights.maintenance + reach + own
        assert line[0] + election.bonus == 254


def test_a_pair_is_one_apart_and_further_standbys_wait_until_they_have_heard_the_first() -> None:
    assert [Election(2).priority(position) for position in range(2)] == [254, 253]
    for nodes in range(3, 6):
        line = [Election(nodes).priority(position) for position in range(nodes)]
        assert line[:2] == [254, 253]
        # In 256ths of an advert interval: 4 ms of the default 50.
        assert all(one - other >= 20 for one, other in pairwise(line[1:]))


@pytest.mark.parametrize(("stays", "most"), [(False, 63), (True, 31)])
def test_as_many_nodes_as_there_may_be_have_priorities_of_their_own(stays: bool, most: int) -> None:
    election = Election(most, stays=stays)
    assert election.is_possible and not Election(most + 1, stays=stays).is_possible
    line = [election.priority(position) for position in range(most)]
    assert len(set(line)) == most
    taken_off = election.weights
    assert line[-1] + taken_off.maintenance + taken_off.last_resort >= 1


def test_how_much_own_checks_may_weigh_is_known() -> None:
    assert [Election(nodes).most_checks for nodes in (2, 3, 4, 5)] == [30, 20, 14, 11]
    for nodes, stays in product((2, 3, 4), (False, True)):
        most = Election(nodes, stays=stays).most_checks
        assert Election(nodes, most, stays).is_possible
        assert not Election(nodes, most + 1, stays).is_possible
