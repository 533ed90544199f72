"""The hand-over's program itself: restarted, killed, its rules flushed, taken away; no machines."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bare_kernels.wires import VIP, VIP6, Wires


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Wires]:
    with Wires(2, tmp_path) as wires:
        yield wires


def test_a_restart_of_the_program_loses_no_connection(pair: Wires) -> None:
    old = pair.connect()
    old.ask()
    pair.move(1, 2)
    for place in (1, 2):
        pair.stop(place, "handover")
        pair.start_program(place)
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            assert old.ask() == "node1"
            time.sleep(0.01)
    assert VIP in pair.on_lo(1)


def test_a_program_that_dies_leaves_the_end_of_the_window_to_the_kernel(pair: Wires) -> None:
    old = pair.connect()
    old.ask()
    pair.move(1, 2)
    pair.until(lambda: "valid_lft 36" in pair.ip(1, "address", "show", "dev", "lo", "to", VIP))


def test_a_flushed_ruleset_is_healed_and_a_foreign_one_is_left_alone(pair: Wires) -> None:
    def foreign() -> str:
        """The ruleset without our tables, which begin and end at the line's first column."""
        ours = r"^table ip6? tandem_handover \{.*?^\}\n"
        return re.sub(ours, "", pair.table(2), flags=re.DOTALL | re.MULTILINE)

    pair.at(
        2,
        "nft",
        "add table inet other; add chain inet other in "
        "{ type filter hook input priority 0; policy accept; ct state invalid drop; }",
    )
    before = foreign()
    assert "ct state invalid drop" in before
    old = pair.connect()
    old.ask()
    pair.move(1, 2)
    assert old.ask() == "node1"
    assert foreign() == before
    pair.at(2, "nft", "flush", "ruleset")
    pair.until(lambda: "dup to 10.61.0.11" in pair.table(2), 1)
    assert old.ask() == "node1"
    assert foreign() == ""


@pytest.mark.parametrize("program_starts", ["before", "meanwhile"])
def test_an_interface_that_is_made_anew_has_the_rules_again(
    pair: Wires, program_starts: str
) -> None:
    """The kernel refuses rules that name an interface which is away, and those that it has go on
    naming the one before by its number."""
    old = pair.connect()
    assert old.ask() == "node1"
    if program_starts == "meanwhile":
        pair.stop(2, "handover")
        pair.at(2, "nft", "flush", "ruleset")
    pair.unwire(2)
    if program_starts == "meanwhile":
        pair.start_program(2)
    time.sleep(0.5)
    pair.wire(2)
    pair.until(lambda: 'dup to 10.61.0.11 device "eth0"' in pair.table(2), 6)
    time.sleep(0.7)  # a beat has been heard
    pair.move(1, 2)
    assert old.ask() == "node1"


def test_an_interface_that_goes_down_and_up_keeps_its_ipv6_address(pair: Wires) -> None:
    """Nobody sets it again but a person (or DHCP, some time), and the hand-over speaks from it."""
    pair.until(lambda: pair.at(2, "sysctl", "-n", "net.ipv6.conf.eth0.keep_addr_on_down") == "1\n")
    pair.ip(2, "link", "set", "eth0", "down")
    pair.ip(2, "link", "set", "eth0", "up")
    assert "fd61:9::12/64" in pair.ip(2, "-6", "address", "show", "dev", "eth0")
    old = pair.connect(VIP6)
    assert old.ask() == "node1"
    time.sleep(0.7)
    pair.move(1, 2)
    assert old.ask() == "node1"


def test_an_ipv6_address_that_was_gone_is_spoken_from_again(pair: Wires) -> None:
    """Put back by hand, on a machine whose kernel did not keep it."""
    old = pair.connect(VIP6)
    assert old.ask() == "node1"
    pair.at(2, "sysctl", "-qw", "net.ipv6.conf.eth0.keep_addr_on_down=0")
    pair.ip(2, "link", "set", "eth0", "down")
    pair.ip(2, "link", "set", "eth0", "up")
    assert "fd61:9::12/64" not in pair.ip(2, "-6", "address", "show", "dev", "eth0")
    time.sleep(1)  # longer than the other one goes on sending to a node that says nothing
    pair.ip(2, "address", "add", "fd61:9::12/64", "dev", "eth0", "nodad")
    time.sleep(0.7)
    pair.move(1, 2)
    assert old.ask() == "node1"


def test_removal_leaves_everything_as_it_was(pair: Wires) -> None:
    sysctls = [f"net.ipv4.conf.eth0.{name}" for name in ("arp_ignore", "arp_announce")]
    assert pair.at(1, "sysctl", "-n", *sysctls).split() == ["1", "2"]
    old = pair.connect()
    old.ask()
    pair.move(1, 2)
    for place in (1, 2):
        pair.stop(place, "handover")
        pair.at(place, *pair.program(place), "--remove")
        assert pair.table(place) == ""
        assert pair.on_lo(place) == []
        assert pair.at(place, "sysctl", "-n", *sysctls).split() == ["0", "0"]
    with pytest.raises(ConnectionResetError):
        old.ask()
    assert pair.connect().ask() == "node2"


def test_an_address_that_the_inventory_no_longer_has_is_taken_off_lo(pair: Wires) -> None:
    pair.stop(1, "handover")
    words = pair.program(1)
    second = words.index("--vip", words.index("--vip") + 1)
    del words[second : second + len(["--vip", "VIP6", "--port", "PORT"])]
    pair.start(1, "handover", words)
    pair.until(lambda: pair.on_lo(1) == [VIP])
