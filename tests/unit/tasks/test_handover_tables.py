"""The hand-over's judgement and its rules; what kernels make of them is in tests/lab."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

import settings
from settings import Cluster
from tasks.handover import forwarding
from tasks.machine import one_file
from tests.support import fakes, programs

program = programs.load("handover.address_state")
AddressState = program.AddressState


class Node:
    """An address's state, the clock it lives by, and the kernel that does what it says."""

    def __init__(self, window_s: int = 3600) -> None:
        self.state = AddressState(window_s)
        self.window_s = window_s
        self.now_s = 1000.0
        self.holds = False
        self.ends_s: float | None = None
        self.steps: list[str] = []
        self.cut = False

    def look(self, *, connections: bool = True) -> None:
        left_s = None if self.ends_s is None else self.ends_s - self.now_s
        step = self.state.decide(self.now_s, self.holds, left_s, connections)
        if step == AddressState.HAVE:
            self.ends_s = math.inf
        elif step == AddressState.LET_GO:
            self.ends_s = self.now_s + self.window_s + program.MARGIN_S
        elif step in (AddressState.FORGET, AddressState.CUT):
            self.ends_s = None
            self.cut = self.cut or step == AddressState.CUT
        self.steps.append(step)

    def run(self, seconds: float, *, connections: bool = True) -> None:
        for _ in range(round(seconds * 10)):
            self.look(connections=connections)
            self.now_s += 0.1

    @property
    def carries(self) -> bool:
        return self.ends_s is not None


def holder(window_s: int = 3600) -> Node:
    node = Node(window_s)
    node.holds = True
    node.run(5)
    return node


def test_a_holder_carries_and_says_so_before_the_address_leaves() -> None:
    node = holder()
    assert node.carries and node.state.beats
    assert node.steps.count(AddressState.HAVE) == 1, "once is enough"


def test_a_standby_that_never_held_it_does_nothing() -> None:
    node = Node()
    node.run(5, connections=False)
    assert set(node.steps) == {AddressState.NOTHING}
    assert not node.state.beats


def test_connections_are_carried_until_the_last_has_ended() -> None:
    node = holder()
    node.holds = False
    node.run(60)
    assert node.carries and node.state.beats
    node.look(connections=False)
    assert not node.state.beats, "the others are told first"
    assert node.carries
    node.run(2, connections=False)
    assert not node.carries
    assert not node.cut


def test_a_connection_that_still_comes_keeps_it() -> None:
    node = holder()
    node.holds = False
    node.run(0.5, connections=False)
    node.run(10)
    assert node.carries and node.state.beats


def test_after_the_window_what_is_left_is_reset() -> None:
    node = holder(60)
    node.holds = False
    node.run(59)
    assert node.carries
    node.run(2)
    assert not node.carries and node.cut and not node.state.beats


def test_without_a_window_connections_are_reset_the_moment_the_address_leaves() -> None:
    node = holder(0)
    assert node.carries and not node.state.beats
    node.holds = False
    node.look()
    assert not node.carries and node.cut


def test_an_address_that_comes_back_is_held_for_ever_again() -> None:
    node = holder(60)
    node.holds = False
    node.run(50)
    node.holds = True
    node.run(200)
    assert node.ends_s == math.inf
    assert not node.cut


def test_a_restart_in_the_middle_goes_on_where_it_was() -> None:
    node = holder(60)
    node.holds = False
    node.run(50)
    node.state = AddressState(60)
    node.run(20)
    assert node.cut


def test_where_the_address_is_is_read_off_the_kernel() -> None:
    text = (
        "1: lo    inet 172.16.12.254/32 scope host lo\\       valid_lft forever preferred_lft f\n"
        "2: eth0    inet 172.16.12.254/16 scope global secondary eth0:0\\       valid_lft forever\n"
    )
    assert program.parse_addresses(text, "eth0") == (True, math.inf)
    assert program.parse_addresses(text.splitlines()[0], "eth0") == (False, math.inf)
    leaving = "1: lo    inet6 fd61:1::254/128 scope global deprecated \\ valid_lft 3595sec prefer 0"
    assert program.parse_addresses(leaving, "eth0") == (False, 3595.0)
    assert program.parse_addresses("", "eth0") == (False, None)


# --- the rules -------------------------------------------------------------------------------


def cluster_of(count: int, **group: Any) -> Cluster:
    hosts = {
        f"@fake/host{place}": {
            "ssh_hostname": f"172.16.12.{60 + place}",
            "address6": f"fd61:1::{60 + place}",
            "priority": 200 - place,
            "page": f"{place}",
        }
        for place in range(1, count + 1)
    }
    (cluster,) = settings.load(fakes.inventory(hosts, {"vip6": "fd61:1::254/64"} | group))
    return cluster


def table_of(cluster: Cluster, place: int, family: str = "ip") -> str:
    text = forwarding.rules(cluster.nodes[place], cluster)
    return re.split(r"^table (?=\w+ tandem_handover \{\n)", text, flags=re.MULTILINE)[
        1 if family == "ip" else 2
    ]


Rule = tuple[str, str]


def travel(cluster: Cluster, first: int, carriers: set[int]) -> list[int]:
    """The nodes that a segment for no connection visits, by the rules of each."""
    visited, at, dscp = [first], first, 0
    while True:
        text = table_of(cluster, at)
        if dscp == int(re.findall(r"dscp (\d+) accept", text)[0]):
            return visited
        order = [int(number) - 1 for number in re.findall(r"@carries_(\d+) goto", text)]
        target = next((place for place in order if place in carriers), None)
        if target is None:
            return visited
        dscp = counted(text, dscp)
        at = target
        visited.append(at)
        assert len(visited) <= 20, "a loop"


def counted(text: str, dscp: int) -> int:
    steps = dict(re.findall(r"ip dscp (\d+) ip dscp set (\d+) return", text))
    first = re.findall(r"^ +ip dscp set (\d+)$", text, re.MULTILINE)[-1]
    return int(steps.get(str(dscp), first))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_segment_for_nobody_asks_every_node_that_carries_and_comes_to_an_end(count: int) -> None:
    cluster = cluster_of(count)
    for first in range(count):
        everybody = set(range(count))
        visited = travel(cluster, first, everybody - {first})
        assert sorted(visited) == sorted(everybody), "each once"
        for carriers in ({0}, {count - 1}, everybody):
            assert len(travel(cluster, first, carriers - {first})) <= count
    assert travel(cluster, 0, set()) == [0]


def test_no_rule_sends_a_segment_to_its_own_node_or_a_syn_anywhere() -> None:
    cluster = cluster_of(3)
    for place, node in enumerate(cluster.nodes):
        for family, own in (("ip", node.address), ("ip6", node.address6)):
            text = table_of(cluster, place, family)
            assert f"dup to {own} " not in text
            assert "tcp flags ! syn goto segment" in text
            assert text.count("dup to ") == 2


def test_it_is_about_every_port_of_tcp_and_about_no_udp() -> None:
    """So that streams are handed over whatever their ports are; datagrams are the new holder's."""
    text = table_of(cluster_of(2), 0)
    onward = [line for line in text.splitlines() if re.search(r"goto (segment|onward)$", line)]
    assert [line for line in onward if "tcp flags" in line]
    assert not [line for line in onward if "dport" in line or "sport" in line or "udp" in line]
    stream = {"x": {"listen": 1883, "to": ["10.0.0.11:1883"]}}
    assert table_of(cluster_of(2, streams=stream), 0) == text


def test_what_it_says_itself_needs_no_place_among_tracked_connections() -> None:
    for family in ("ip", "ip6"):
        sent = table_of(cluster_of(2), 0, family).split("hook output priority raw;")[1]
        heard = re.findall(r"udp dport (\d+) update", table_of(cluster_of(2), 0, family))
        assert re.findall(r"udp dport (\d+) notrack", sent) == heard[:1] != []


def test_without_ipv6_there_is_no_table_for_it() -> None:
    cluster = cluster_of(2, vip6=None)
    text = forwarding.rules(cluster.nodes[0], cluster)
    assert "ip6" not in text and "icmpv6" not in text
    assert "--vip fd" not in forwarding.command(cluster.nodes[0], cluster)


def test_switched_off_there_are_no_rules_and_no_window() -> None:
    cluster = cluster_of(2, handover=False)
    assert "table ip" not in forwarding.rules(cluster.nodes[0], cluster)
    assert "--window 0" in forwarding.command(cluster.nodes[0], cluster)
    assert "--table" not in forwarding.command(cluster.nodes[0], cluster)


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize("classic", [False, True])
def test_the_default_profile_has_it_and_the_classic_one_takes_it_back(classic: bool) -> None:
    unit = "/etc/systemd/system/tandem-handover.service"
    installed = [f"644 root root {unit}", f"{'0' * 64}  {unit}"]
    hosts = {
        f"@fake/host{n}": {
            "ssh_hostname": f"172.16.12.6{n}",
            "priority": 102 - n,
            "page": "p",
            "fake_responses": {"stat -c '%a %U %G %n'": installed},
        }
        for n in (1, 2)
    }
    version = 2 if classic else 3
    from controller import source

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "fetch", lambda node: fakes.ROOT / "README.md")
        asked = fakes.run("deploy.py", fakes.inventory(hosts, vrrp_version=version))
    for commands in asked.values():
        joined = "\n".join(commands)
        assert ("--remove" in joined) is classic
        assert (one_file.beside("/etc/tandem/handover.nft") in joined) is not classic
