"""What becomes of connections when a router spreads them anew, between bare kernels."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.handover.second_chance import WORDS
from tests.support.bare_kernels.spread_wires import SOURCES, VIP, VIP6, SpreadWires
from tests.support.clients.echo import Conversation
from tests.support.clients.segments import ACK, FIN, RST, SYN, Frame

BOTH = pytest.mark.parametrize("address", [VIP, VIP6], ids=["IPv4", "IPv6"])
BEAT_FORGOTTEN_S = 0.8
ALL_SETS = [[1], [2], [3], [1, 2], [2, 3], [3, 1], [1, 2, 3]]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpreadWires]:
    with SpreadWires(3, tmp_path_factory.mktemp("three")) as wires:
        yield wires


@pytest.fixture
def trio(three: SpreadWires) -> Iterator[SpreadWires]:
    time.sleep(0.3)  # what was asked for a port is forgotten
    # Who is not heard is taken for dead: where CPUs are short, a beat is late, or a program that
    # was just started anew.
    three.until(three.all_hear, 20)
    yield three
    three.as_at_first()


def stray(
    wires: SpreadWires, address: str, flags: int = ACK, port: int = 45678
) -> tuple[list[Frame], list[Frame]]:
    """A segment for no connection: how it travelled, and the answers to the client."""
    with wires.sniffer() as sniffer:
        wires.send(address, flags, port)
        frames = sniffer.frames(port, 0.7)
    return [f for f in frames if f.target == address], [f for f in frames if f.source == address]


def connect_at(wires: SpreadWires, place: int, address: str, own_port: int = 0) -> Conversation:
    wires.spread([place])
    talk = wires.connect(address, own_port=own_port)
    assert talk.ask() == f"node{place}"
    return talk


@BOTH
def test_connections_go_on_whichever_nodes_the_router_has(trio: SpreadWires, address: str) -> None:
    talks = [trio.connect(address) for _ in range(24)]
    owners = [talk.ask() for talk in talks]
    assert set(owners) == {"node1", "node2", "node3"}
    for places in ALL_SETS:
        trio.spread(places)
        assert [talk.ask() for talk in talks] == owners


@BOTH
def test_switched_off_they_break(tmp_path: Path, address: str) -> None:
    with SpreadWires(2, tmp_path, handover=False) as pair:
        talk = connect_at(pair, 1, address)
        pair.spread([2])
        with pytest.raises(ConnectionResetError):
            talk.ask()


@BOTH
def test_the_first_segment_is_asked_for_and_what_follows_goes_one_way(
    trio: SpreadWires, address: str
) -> None:
    talk = connect_at(trio, 1, address)
    port = talk.socket.getsockname()[1]
    trio.spread([2])
    with trio.sniffer() as sniffer:
        talk.ask()
        asked = sniffer.frames(port, 0.3)
    with trio.sniffer() as sniffer:
        talk.ask()
        given = sniffer.frames(port, 0.3)
    # Two were asked, one said yes and one no; more than one segment may have come before that.
    assert {f.port for f in asked if f.mesh} == {"port1", "port2", "port3"}
    assert {f.port for f in given if f.mesh} == {"port2"}
    # Each of the client's segments came to node 2 and was given on once.
    came = [f for f in given if f.port == "portrouter"]
    assert len([f for f in given if f.mesh]) == len(came) > 0


@BOTH
def test_what_nobody_knows_is_reset_at_once(trio: SpreadWires, address: str) -> None:
    trio.spread([2])
    travelled, answers = stray(trio, address)
    assert [(f.port, f.mesh) for f in travelled].count(("port2", True)) == 2
    assert {f.port for f in travelled if f.mesh} == {"port1", "port2", "port3"}
    assert [(f.port, f.flags & RST) for f in answers] == [("port2", RST)]
    assert answers[0].at_s - travelled[0].at_s < 0.1


@BOTH
@pytest.mark.parametrize("flags", [SYN, RST, FIN | ACK, 0], ids=["syn", "rst", "fin", "nothing"])
def test_no_segment_travels_for_ever(trio: SpreadWires, address: str, flags: int) -> None:
    trio.spread([2])
    travelled, _ = stray(trio, address, flags, port=45679)
    asked = [f for f in travelled if f.mesh]
    # To two, and back from two: each of them came out of the sender's cable once.
    assert len(asked) <= 4


@BOTH
def test_where_its_node_is_dead_it_is_reset(trio: SpreadWires, address: str) -> None:
    talk = connect_at(trio, 1, address)
    trio.unplug(1)
    trio.spread([2])
    time.sleep(BEAT_FORGOTTEN_S)
    began_s = time.monotonic()
    with pytest.raises(ConnectionResetError):
        talk.ask()
    assert time.monotonic() - began_s < 1


@BOTH
def test_whose_program_is_started_anew_is_not_taken_for_dead(
    trio: SpreadWires, address: str
) -> None:
    """A deploy does that, one machine after the other."""
    talk = connect_at(trio, 1, address)
    trio.spread([2])
    assert talk.ask() == "node1"
    trio.end(1, "handover")
    time.sleep(BEAT_FORGOTTEN_S)
    trio.spread([3])
    talk.socket.sendall(b"meanwhile\n")  # the kernel has the answer; the program is not needed
    assert talk.lines.readline().split() == ["node1", "meanwhile"]
    trio.start_program(1)
    trio.spread([2])
    assert talk.ask() == "node1"


@BOTH
def test_who_was_given_it_and_has_it_no_more_asks_once_and_says_so(
    trio: SpreadWires, address: str
) -> None:
    """A client's port is used again, for a connection that lives on a third node."""
    port = 41000 + (address != VIP)
    first = connect_at(trio, 1, address, port)
    trio.spread([2])
    assert first.ask() == "node1"  # node 2 knows now whose it is
    first.socket.sendall(b"bye\n")
    assert first.lines.readline() == ""
    first.close()
    trio.until(lambda: f":{port}" not in trio.at(1, "ss", "-Hatn"))
    again = connect_at(trio, 3, address, port)
    trio.spread([2])
    with trio.sniffer() as sniffer:
        assert again.ask() == "node3"
        first_time = [f for f in sniffer.frames(port, 0.3) if f.mesh]
    with trio.sniffer() as sniffer:
        assert again.ask() == "node3"
        later = [f for f in sniffer.frames(port, 0.3) if f.mesh]
    # Node 1 says that it is not its own any more, and asks: node 3 takes that very segment.
    assert [f.dscp for f in first_time[:2]] == [WORDS["given"], WORDS["gone"]]
    assert ("port1", WORDS["asked"]) in {(f.port, f.dscp) for f in first_time}
    # From then on node 2 asks for itself, and gives.
    assert {f.port for f in later if f.dscp != WORDS["no"]} <= {"port2", "port3"}


@BOTH
def test_a_connection_that_ended_a_moment_ago_is_no_obstacle(
    trio: SpreadWires, address: str
) -> None:
    port = 42000 + (address != VIP)
    ended = connect_at(trio, 2, address, port)
    ended.socket.sendall(b"bye\n")
    assert ended.lines.readline() == ""
    ended.close()
    again = connect_at(trio, 1, address, port)
    trio.spread([2])
    assert again.ask() == "node1"


@BOTH
def test_where_nothing_listens_a_node_that_serves_takes_the_new_connection(
    trio: SpreadWires, address: str
) -> None:
    trio.serves(2, False)
    trio.stop(2, "echo80")
    time.sleep(BEAT_FORGOTTEN_S)
    trio.spread([2])
    assert trio.connect(address).ask() == "node3"
    trio.serves(3, False)
    time.sleep(BEAT_FORGOTTEN_S)
    assert trio.connect(address).ask() == "node1"


@BOTH
def test_a_port_that_is_none_of_the_clusters_is_refused_where_the_client_came(
    trio: SpreadWires, address: str
) -> None:
    port = 43000 + (address != VIP)
    trio.spread([2])
    with trio.sniffer() as sniffer:
        with pytest.raises(ConnectionRefusedError):
            trio.connect(address, 81, port)
        assert not [f for f in sniffer.frames(port, 0.3) if f.mesh]


@BOTH
def test_where_nothing_listens_what_others_know_is_not_reset(
    trio: SpreadWires, address: str
) -> None:
    talk = connect_at(trio, 1, address)
    trio.stop(2, "echo80")
    trio.spread([2])
    assert talk.ask() == "node1"


@BOTH
def test_large_segments_go_on_too(trio: SpreadWires, address: str) -> None:
    """As large as the network's own packets: they do not fit into VXLAN as they are."""
    talk = connect_at(trio, 1, address)
    trio.spread([2])
    text = "x" * 200_000
    for _ in range(3):
        assert talk.ask(text) == "node1"


@BOTH
def test_what_a_router_says_about_a_connection_reaches_the_node_that_has_it(
    trio: SpreadWires, address: str
) -> None:
    def told(place: int) -> int:
        six = ":" in address
        shown = trio.at(place, "cat", f"/proc/net/snmp{'6' if six else ''}")
        if six:
            return int(re.findall(r"Icmp6InPktTooBigs\s+(\d+)", shown)[0])
        names, values = re.findall(r"^Icmp: (.*)$", shown, re.MULTILINE)
        return int(values.split()[names.split().index("InDestUnreachs")])

    talk = connect_at(trio, 1, address)
    trio.spread([2])
    before = told(1)
    trio.send_too_big(address, talk.socket.getsockname()[1])
    trio.until(lambda: told(1) > before)


@BOTH
def test_an_interface_that_somebody_set_down_is_mended(trio: SpreadWires, address: str) -> None:
    talk = connect_at(trio, 1, address)
    for place in (1, 2):
        trio.ip(place, "link", "set", "tandem", "down")
        trio.ip(place, "link", "set", "tandem", "up")
    trio.until(lambda: "fe80::7113" in trio.ip(1, "-o", "address", "show", "dev", "tandem"), 8)
    trio.until(lambda: trio.hears(2, 1) and trio.hears(1, 2), 8)
    trio.spread([2])
    assert talk.ask() == "node1"


def test_in_quiet_times_nothing_is_changed(trio: SpreadWires) -> None:
    """What is as it was made is not made anew, and what a node changes is not what wakes it."""
    seen = trio.at(1, "timeout", 5, "ip", "-o", "monitor", "address", "link", check=False)
    assert "tandem" not in seen and seen.count("\n") < 30, seen


def test_a_stranger_is_not_heard_in_the_mesh(trio: SpreadWires) -> None:
    """Who is no node says that it knows a connection: in a node's name, from its own address."""
    trio.spread([2])
    for from_peer, place in ((False, 3), (True, 1)):
        port = 47000 + place
        trio.say_yes(place if from_peer else "router", 2, port)
        time.sleep(0.1)
        known = f" {port} " in trio.at(2, "nft", "list", "set", "ip", "tandem_handover", "its_1")
        assert known is from_peer


def test_nobody_loses_a_connection_whose_node_lives(tmp_path: Path) -> None:
    """Eight nodes that join, leave and die in a random order, under hundreds of connections."""
    random_ = random.Random(21)
    with SpreadWires(8, tmp_path) as wires:
        living, talks = set(wires.places), {}
        for round_ in range(40):
            present = random_.sample(sorted(living), random_.randint(1, len(living)))
            wires.spread(present)
            for _ in range(6):
                address = random_.choice((VIP, VIP6))
                source = random_.choice(SOURCES) if address == VIP else ""
                talk = wires.connect(address, source=source)
                talks[talk] = talk.ask()
            asked = random_.sample(sorted(talks, key=id), min(30, len(talks)))
            assert [talk.ask() for talk in asked] == [talks[talk] for talk in asked], round_
            if round_ in (15, 30):
                dead = random_.choice(sorted(living))
                living.discard(dead)
                wires.unplug(dead)
                talks = {talk: own for talk, own in talks.items() if own != f"node{dead}"}
        assert [talk.ask() for talk in talks] == [*talks.values()]
        assert len(talks) > 150
