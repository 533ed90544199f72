"""Whose turn comes when, and who may not have been forgotten."""

from __future__ import annotations

import pytest

from tasks import turns
from tasks.machine import Machine, left_behind, parse_survey
from tests import fakes
from tests.test_handover import cluster_of

PAIR = ("172.16.12.61", "172.16.12.62")
THREE = (*PAIR, "172.16.12.63")
HEARD = """table ip tandem_handover {
	set carries_2 {
		type ifname
		timeout 600ms
		elements = { "eth0" expires 580ms }
	}

	set carries_3 {
		type ifname
	}

	chain prerouting {
		iifname "eth0" ip saddr 172.16.12.62 udp dport 7112 update @carries_2 { iifname } drop
		iifname "eth0" ip saddr 172.16.12.63 udp dport 7112 update @carries_3 { iifname } drop
	}
}"""


def machine(*peers: str, handover: str = "") -> Machine:
    return parse_survey(fakes.survey(peers=peers, handover=handover))


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


def test_a_machine_that_was_taken_out_and_still_takes_part_is_refused() -> None:
    cluster = cluster_of(2)
    told = HEARD.replace("12.62", "12.64")
    machines = {"@fake/host1": machine(handover=told), "@fake/host2": machine()}
    (mistake,) = left_behind(cluster, machines)
    assert (mistake.where, mistake.value) == ("@fake/host1", "172.16.12.64")
    assert "disable --now keepalived" in mistake.remedy
    # Its peers of now are heard, and one that was taken out has fallen silent.
    assert not list(left_behind(cluster, {"@fake/host1": machine(handover=HEARD)}))
