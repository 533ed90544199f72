"""Whose turn comes when."""

from __future__ import annotations

import pytest

from tasks.change import turns
from tasks.machine.survey import SurveyedMachine, parse_survey
from tests.support import fakes
from tests.unit.tasks.test_handover_tables import cluster_of

PAIR = ("172.16.12.61", "172.16.12.62")
THREE = (*PAIR, "172.16.12.63")


def machine(*peers: str, serves: bool = False) -> SurveyedMachine:
    return parse_survey(fakes.survey(peers=peers, serves=serves))


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        # Nobody runs yet, or all know each other: the standbys first.
        (((), (), ()), [3, 2, 1]),
        ((THREE[1:], (THREE[0], THREE[2]), PAIR), [3, 2, 1]),
        # One is new, or is there again under another address, wherever in line.
        ((THREE[1:2], THREE[:1], ()), [2, 1, 3]),
        ((THREE[2:], (), THREE[:1]), [3, 1, 2]),
        (((), THREE[2:], THREE[1:2]), [3, 2, 1]),
        # Bare, and known to the others: it goes where it belongs.
        ((THREE[1:], (), PAIR), [3, 2, 1]),
    ],
)
def test_who_is_not_spoken_to_yet_comes_last(
    peers: tuple[tuple[str, ...], ...], expected: list[int]
) -> None:
    cluster = cluster_of(3)
    machines = {node.name: machine(*told) for node, told in zip(cluster.nodes, peers, strict=True)}
    order = [cluster.nodes.index(node) + 1 for node in turns.order(cluster, machines)]
    assert order == expected


@pytest.mark.parametrize(
    ("serves", "expected"),
    [
        ((False, False, False), [[3, 2, 1]]),
        ((False, True, False), [[3], [2], [1]]),
        # The third is not part of this run: it may serve.
        ((False, False), [[3], [2], [1]]),
    ],
)
def test_all_have_their_turns_at_once_where_none_has_ever_served(
    serves: tuple[bool, ...], expected: list[list[int]]
) -> None:
    cluster = cluster_of(3)
    machines = {
        node.name: machine(serves=each) for node, each in zip(cluster.nodes, serves, strict=False)
    }
    groups = turns.groups(cluster, machines)
    assert [[cluster.nodes.index(node) + 1 for node in group] for group in groups] == expected
