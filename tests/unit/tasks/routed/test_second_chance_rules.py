"""The rules of the second chance as they are written; what kernels make of them is in tests/lab."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tasks.handover import second_chance
from tests.unit.tasks.routed.test_routed_clients import three
from tests.unit.tasks.routed.test_routed_deploy import ROUTED

STREAMS = {
    "mqtt": {"listen": 1883, "to": "10.9.0.1:1883"},
    "dns": {"listen": 5353, "protocol": "udp", "to": "10.9.0.1:53"},
}


def chains(**given: Any) -> dict[str, list[str]]:
    """The first machine's for IPv4, without comments, by their names."""
    cluster = three(ROUTED | given)
    text = re.sub(r" *#.*", "", second_chance.rules(cluster.nodes[0], cluster))
    found = re.findall(r"^    chain (\w+) \{\n(.*?)^    \}", text, re.M | re.S)
    return {name: [line.strip() for line in rules.splitlines()] for name, rules in found}


@pytest.mark.parametrize(
    ("given", "ports"),
    [({}, "80"), ({"http_port": 8080, "streams": STREAMS}, "1883, 8080")],
)
def test_only_connections_to_nginxs_own_ports_are_given_and_so_many(
    given: dict[str, Any], ports: str
) -> None:
    """Else whoever floods a port that a firewall drops had it sent once more, to a neighbour."""
    rules = chains(**given)["beginning"]
    gives = [number for number, rule in enumerate(rules) if " dup to " in rule]
    assert len(gives) == 2
    assert f"tcp dport != {{ {ports} }} accept" in rules[: gives[0]]
    assert "limit rate over 20000/second burst 2000 packets drop" in rules[: gives[0]]


def test_a_node_that_is_given_one_takes_it_on_these_ports_alone() -> None:
    begins = [rule for rule in chains()["given_by_2"] if rule.startswith("tcp flags")]
    assert begins == [
        "tcp flags & (syn | ack) == syn tcp dport { 80 } socket transparent { 0, 1 } accept",
        "tcp flags & (syn | ack) == syn drop",
    ]
