"""Whose turn comes when."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from tasks.change import turn_moves, turns
from tasks.change.turn_status import TurnStatusFact
from tasks.keepalived import vips
from tasks.machine.survey import SurveyedMachine, parse_survey
from tests.support import fakes
from tests.unit.tasks.keepalived.test_several_interfaces import (
    CLASSIC,
    FIRST,
    PROFILES,
    SECOND,
    SIX,
    THIRD,
    WITHOUT_IPV6,
    keepalived_conf,
)
from tests.unit.tasks.keepalived.test_several_interfaces import cluster as two_networks
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


NEW, OLD = (254, 253, 227), (253, 254, 227)


def moved(
    holder: int,
    *,
    before: tuple[int, ...] = NEW,
    after: tuple[int, ...] = NEW,
    interrupted: tuple[int, ...] = (),
    changed: tuple[int, ...] = (),
    away: tuple[int, ...] = (),
    order: tuple[int, ...] = (3, 2, 1),
) -> int:
    """How often the VIP of three moves; all by their number, from 1. A priority of 0: none yet."""
    cluster = cluster_of(3)
    vip = str(cluster.vip.ip)
    names = {number: node.name for number, node in enumerate(cluster.nodes, start=1)}
    then = cluster.ranked({names[n]: {vip: rank} for n, rank in enumerate(after, start=1)})
    return turn_moves.count(
        then,
        {names[number]: [vip] if number == holder else [] for number in order},
        [names[number] for number in away],
        [names[number] for number in interrupted],
        [names[number] for number in changed],
        {names[n]: {vip: rank} for n, rank in enumerate(before, start=1) if rank},
    )


ALL = (1, 2, 3)


def test_moves_are_counted_turn_by_turn() -> None:
    assert moved(1) == moved(1, changed=ALL) == moved(1, interrupted=(2, 3)) == 0
    assert moved(1, interrupted=ALL) == moved(1, interrupted=ALL, changed=ALL) == 2
    assert moved(1, after=OLD, changed=ALL) == 1, "another one is preferred"
    assert moved(2, interrupted=ALL, away=(1,)) == 2, "away, and back to it"
    assert moved(2, changed=ALL, away=(1,)) == 0
    # It comes back by itself to a machine that has booted, whatever this run does to others.
    assert moved(2) == moved(2, interrupted=(3,)) == moved(2, changed=(3,)) == 0
    # The preferred one is off, and no part of the run.
    assert moved(2, order=(3, 2)) == moved(2, changed=(2, 3), order=(3, 2)) == 0
    assert moved(2, interrupted=(2, 3), order=(3, 2)) == 2, "to the third, and back"
    # A machine that is new, and preferred: before its turn the VIP has gone away and come back.
    new = (0, 254, 253)
    assert moved(2, before=new, changed=ALL, interrupted=(2,), order=(3, 2, 1)) == 3
    assert moved(2, before=new, changed=ALL, order=(3, 2, 1)) == 1
    # Of three, one alone is part of the run.
    assert moved(1, interrupted=(1,), order=(1,)) == 2


def test_a_rollback_brings_another_order_back() -> None:
    """Whom the settings prefer holds the VIP, and whom the generation prefers has it then."""
    assert moved(1, after=OLD, changed=ALL, order=(3, 1, 2)) == 1
    assert moved(2, before=OLD, after=OLD, interrupted=ALL) == 2, "keepalived is as it was"


# --- who hears whom ------------------------------------------------------------------------------

BESIDE = {"more_vips": {"10.30.0.254/24": "host3"}}


def spoken(here: settings.Cluster, tmp_path: Path) -> dict[str, str]:
    """What the first node's keepalived.conf says of it, read as a machine reads it."""
    conf = tmp_path / "keepalived.conf"
    conf.write_text(keepalived_conf(here.nodes[0], here))
    shell = vips.show_speech(str(conf), "speaks")
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    return vips.told_speech(["rank x 1", *done.stdout.splitlines()], "speaks")


@pytest.mark.parametrize("given", [*PROFILES.values(), BESIDE | {"vrrp_interface": "eth1"}])
def test_what_others_have_to_know_to_hear_a_node_is_read_as_it_was_set(
    given: dict[str, Any], tmp_path: Path
) -> None:
    here = two_networks(**given)
    expected = vips.speech(here.nodes[0], here)
    assert spoken(here, tmp_path) == expected
    assert len(expected) == len(here.vips)


@pytest.mark.parametrize(
    ("then", "unheard"),
    [
        ({}, set()),
        ({"preempt": False}, set()),
        # A VIP that is new, or goes, changes nothing for the others.
        ({"more_vips": WITHOUT_IPV6}, set()),
        ({"vrrp_interface": "eth1"}, {FIRST, THIRD}),
        ({"virtual_router_id": 71}, {FIRST, SECOND, THIRD, SIX}),
        (CLASSIC, {FIRST, SECOND, THIRD}),
    ],
)
def test_a_vip_whose_vrrp_changes_is_not_heard_of_by_those_before(
    then: dict[str, Any], unheard: set[str], tmp_path: Path
) -> None:
    now, later = two_networks(), two_networks(**then)
    lines = [f"speaks {vip} {said}" for vip, said in spoken(now, tmp_path).items()]
    lines += [f"will-speak {vip} {said}" for vip, said in spoken(later, tmp_path).items()]
    assert TurnStatusFact().process(lines).unheard == unheard


def test_a_machine_that_has_spoken_to_nobody_changes_nothing() -> None:
    assert TurnStatusFact().process([f"will-speak {FIRST} 3/61/172.16.12.61"]).unheard == set()


def test_only_what_is_not_heard_of_moves_at_every_turn() -> None:
    here = two_networks(more_vips=WITHOUT_IPV6)
    ranks = {
        node.name: {str(vrrp.vip.ip): vrrp.priority(node) for vrrp in here.vips}
        for node in here.nodes
    }
    holds = {"host3": [THIRD], "host2": [SECOND], "host1": [FIRST]}
    for unheard, expected in ((set[str](), 0), ({SECOND}, 3), ({FIRST, SECOND}, 6)):
        assert turn_moves.count(here, holds, [], [], [*holds], ranks, unheard) == expected
