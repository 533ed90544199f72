"""What becomes of connections and stray segments when the address moves, between bare kernels."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bare_kernels.wires import VIP, VIP6, Wires
from tests.support.clients.segments import ACK, FIN, RST, SYN, Frame

BOTH = pytest.mark.parametrize("address", [VIP, VIP6], ids=["IPv4", "IPv6"])
BEAT_FORGOTTEN_S = 0.7


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wires]:
    with Wires(2, tmp_path_factory.mktemp("two")) as wires:
        yield wires


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wires]:
    with Wires(3, tmp_path_factory.mktemp("three")) as wires:
        yield wires


@pytest.fixture
def pair(two: Wires) -> Iterator[Wires]:
    yield two
    two.as_at_first()


@pytest.fixture
def trio(three: Wires) -> Iterator[Wires]:
    yield three
    three.as_at_first()


def stray(
    wires: Wires, address: str, flags: int = ACK, port: int = 45678
) -> tuple[list[Frame], list[Frame]]:
    """A segment for no connection: how it travelled, and the answers to the client."""
    with wires.sniffer() as sniffer:
        wires.send(address, flags, port)
        frames = sniffer.frames(port, 1.0)
    return [f for f in frames if f.target == address], [f for f in frames if f.source == address]


@BOTH
def test_a_connection_goes_on_over_moves_there_and_back(pair: Wires, address: str) -> None:
    old = pair.connect(address)
    assert old.ask() == "node1"
    pair.move(1, 2)
    assert old.ask() == "node1"
    new = pair.connect(address)
    assert new.ask() == "node2"
    pair.move(2, 1)
    assert (old.ask(), new.ask()) == ("node1", "node2")
    assert pair.connect(address).ask() == "node1"


@BOTH
def test_who_connects_where_the_address_is_not_is_served_by_who_carries_it(
    pair: Wires, address: str
) -> None:
    """So it is a moment long when IPv6 arrives, and longer where a client's ARP is stale."""
    pair.client_believes(address, 2)
    assert pair.connect(address).ask() == "node1"


@BOTH
def test_who_connects_where_nobody_has_the_address_any_more_is_not_sent_around(
    trio: Wires, address: str
) -> None:
    trio.take(1)
    trio.until(lambda: trio.on_lo(1) == [])
    # The nodes still believe that it carries; make each of two believe it of the other.
    trio.client_believes(address, 2)
    for place, peer in ((2, 3), (3, 2)):
        family = "ip6" if ":" in address else "ip"
        element = '{ "eth0" timeout 5s }'
        trio.at(place, "nft", f"add element {family} tandem_handover carries_{peer} {element}")
        trio.at(place, "nft", f"flush set {family} tandem_handover carries_1")
    travelled, answers = stray(trio, address, SYN)
    assert [frame.port for frame in travelled] == ["portclient", "port2"]
    assert answers == []


@BOTH
def test_a_node_that_holds_nothing_carries_until_its_last_connection_ends(
    pair: Wires, address: str
) -> None:
    old = pair.connect(address)
    old.ask()
    pair.move(1, 2)
    time.sleep(3)
    assert address in pair.on_lo(1)
    old.close()
    pair.until(lambda: pair.on_lo(1) == [])
    assert old.socket.fileno() == -1


@BOTH
def test_a_stray_segment_is_reset_at_once_where_nobody_else_carries(
    pair: Wires, address: str
) -> None:
    travelled, answers = stray(pair, address)
    assert [frame.port for frame in travelled] == ["portclient"]
    assert [frame.flags & RST for frame in answers] == [RST]


@BOTH
def test_a_stray_segment_is_seen_twice_at_most_and_reset_where_both_carry(
    pair: Wires, address: str
) -> None:
    kept = pair.connect(address)
    kept.ask()
    pair.move(1, 2)
    travelled, answers = stray(pair, address)
    assert [frame.port for frame in travelled] == ["portclient", "port2"]
    assert [frame.port for frame in answers] == ["port1"]
    assert answers[0].flags & RST
    assert answers[0].at_s - travelled[0].at_s < 0.1
    kept.ask()


@BOTH
def test_a_stray_segment_is_reset_where_the_other_node_is_dead(pair: Wires, address: str) -> None:
    kept = pair.connect(address)
    kept.ask()
    pair.unplug(1)
    pair.give(2)
    time.sleep(BEAT_FORGOTTEN_S)
    travelled, answers = stray(pair, address)
    assert [frame.port for frame in travelled] == ["portclient"]
    assert answers and answers[0].flags & RST


@BOTH
@pytest.mark.parametrize("flags", [SYN, RST, FIN | ACK, 0], ids=["syn", "rst", "fin", "nothing"])
def test_no_segment_travels_for_ever(pair: Wires, address: str, flags: int) -> None:
    kept = pair.connect(address)
    kept.ask()
    pair.move(1, 2)
    travelled, answers = stray(pair, address, flags)
    # The first segment of a connection stays where it arrived; the client resets the answer.
    assert len([f for f in travelled if not (flags == SYN and f.flags & RST)]) <= 2
    if flags == SYN:
        assert {f.port for f in answers} == {"port2"}


@BOTH
@pytest.mark.parametrize("away", [False, True], ids=["while it held", "while it was away"])
def test_a_port_that_ended_on_the_new_holder_a_moment_ago_is_no_obstacle(
    pair: Wires, address: str, away: bool
) -> None:
    port = 40000 + 2 * away + (address != VIP)
    pair.move(1, 2)
    ended = pair.connect(address, own_port=port)
    assert ended.ask() == "node2"
    if away:
        pair.move(2, 1)
    ended.socket.sendall(b"bye\n")
    assert ended.lines.readline() == ""
    ended.close()
    if not away:
        assert f":{port}" in ended_connections(pair, 2)
        pair.move(2, 1)
    again = pair.connect(address, own_port=port)
    assert again.ask() == "node1"
    pair.move(1, 2)
    assert again.ask() == "node1"


@BOTH
def test_what_ends_while_the_address_is_away_is_forgotten_within_seconds(
    pair: Wires, address: str
) -> None:
    pair.move(1, 2)
    ended = pair.connect(address)
    assert ended.ask() == "node2"
    pair.move(2, 1)
    port = ended.socket.getsockname()[1]
    ended.socket.sendall(b"bye\n")
    assert ended.lines.readline() == ""
    ended.close()
    pair.until(lambda: f":{port}" not in pair.at(2, "ss", "-Hatn"))


def ended_connections(wires: Wires, place: int) -> str:
    return wires.at(place, "ss", "-Htn", "state", "time-wait")


@BOTH
def test_any_of_three_nodes_may_have_the_connection(trio: Wires, address: str) -> None:
    old = {1: trio.connect(address)}
    old[1].ask()
    for source, target in ((1, 2), (2, 3)):
        trio.move(source, target)
        old[target] = trio.connect(address)
        assert old[target].ask() == f"node{target}"
    assert trio.carriers(1, address) == {2, 3}
    assert {place: each.ask() for place, each in old.items()} == {
        place: f"node{place}" for place in old
    }
    for holder in (1, 2):
        trio.move(3 if holder == 1 else 1, holder)
        assert [old[place].ask() for place in (1, 2, 3)] == ["node1", "node2", "node3"]


@BOTH
def test_among_three_nodes_a_stray_segment_asks_each_once(trio: Wires, address: str) -> None:
    kept = []
    for source, target in ((1, 2), (2, 3)):
        kept.append(trio.connect(address))
        kept[-1].ask()
        trio.move(source, target)
    travelled, answers = stray(trio, address)
    assert [frame.port for frame in travelled] == ["portclient", "port3", "port1"]
    assert [frame.port for frame in answers] == ["port2"]
    assert len({frame.dscp for frame in travelled}) == 3


@BOTH
def test_a_node_whose_server_is_just_away_does_not_reset_what_a_third_has(
    trio: Wires, address: str
) -> None:
    if (1, "echo81") not in trio.processes:
        for place in (1, 2, 3):
            trio.start_echo(place, 81)
    keeps_node1_carrying = trio.connect(address, 81)
    keeps_node1_carrying.ask()
    trio.move(1, 2)
    second = trio.connect(address)
    second.ask()
    trio.move(2, 3)
    trio.stop(1, "echo80")
    assert second.ask() == "node2"
    assert keeps_node1_carrying.ask() == "node1"


@BOTH
def test_switched_off_connections_are_reset_the_moment_the_address_leaves(
    tmp_path: Path, address: str
) -> None:
    with Wires(2, tmp_path, handover=False) as pair:
        pair.until(lambda: address in pair.on_lo(1))
        old = pair.connect(address)
        old.socket.sendall(b"drip\n")
        began_s = time.monotonic()
        pair.move(1, 2)
        with pytest.raises(ConnectionResetError):
            while True:
                old.lines.readline()
        assert time.monotonic() - began_s < 4  # most of it the commands that move it
        pair.until(lambda: pair.on_lo(1) == [])
        assert pair.table(1) == ""
        assert pair.connect(address).ask() == "node2"


@BOTH
def test_after_the_window_what_is_left_is_reset(tmp_path: Path, address: str) -> None:
    with Wires(2, tmp_path, handover_window_s=2) as pair:
        old = pair.connect(address)
        old.ask()
        pair.move(1, 2)
        assert old.ask() == "node1"
        began_s = time.monotonic()
        old.socket.settimeout(10)
        with pytest.raises(ConnectionResetError):
            old.socket.recv(1)
        assert 0.5 < time.monotonic() - began_s < 4
        pair.until(lambda: pair.on_lo(1) == [])


def test_nobody_but_the_holder_says_that_it_has_the_address(pair: Wires) -> None:
    kept = pair.connect()
    kept.ask()
    pair.move(1, 2)
    mac = {place: pair.at(place, "cat", "/sys/class/net/eth0/address").strip() for place in (1, 2)}
    for _ in range(5):
        pair.ip("client", "neighbour", "flush", "dev", "eth0", "to", VIP)
        # Node 1 has to ask for the client's MAC as well, to answer it.
        pair.ip(1, "neighbour", "flush", "dev", "eth0", "to", "10.61.0.1")
        assert kept.ask() == "node1"
        assert mac[2] in pair.ip("client", "neighbour", "show", "to", VIP)


@BOTH
def test_what_a_router_says_about_a_connection_reaches_the_node_that_has_it(
    pair: Wires, address: str
) -> None:
    """Without it a large answer to a client behind a smaller MTU would hang after the move."""

    def told(place: int) -> int:
        six = ":" in address
        shown = pair.at(place, "cat", f"/proc/net/snmp{'6' if six else ''}")
        if six:
            return int(re.findall(r"Icmp6InPktTooBigs\s+(\d+)", shown)[0])
        names, values = re.findall(r"^Icmp: (.*)$", shown, re.MULTILINE)
        return int(values.split()[names.split().index("InDestUnreachs")])

    old = pair.connect(address)
    old.ask()
    pair.move(1, 2)
    before = told(1), told(2)
    pair.send_too_big(address, old.socket.getsockname()[1])
    pair.until(lambda: told(1) > before[0])
    assert told(2) == before[1]
    new = pair.connect(address)
    new.ask()
    pair.send_too_big(address, new.socket.getsockname()[1])
    pair.until(lambda: told(2) > before[1])
