"""A second network that comes by a deploy and goes by one, VRRP that moves to it, and what a
teardown leaves of either."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.lab.network.test_two_networks import (
    AS_WANTED,
    FIRST,
    INVENTORY,
    SECOND,
    VRRP_ON_ETH1,
    asked,
    deploy,
    one_each,
)
from tests.support.lab.own_lab import own_lab, pyinfra
from tests.support.lab.pair import HOSTS, changed_nothing, on

# The same machines, of which nobody has said that they have another interface.
WITHOUT = "one_network.py"
LEFT_OUT = r'(?m)^ *"more_interfaces".*\n|, "more_vips": .*?}'
# What is set for each interface, by the hand-over and for keepalived.
SYSCTLS = ("arp_ignore", "arp_announce", "promote_secondaries")
KEPT = "promote_secondaries"


def without_the_second(checkout: Path) -> None:
    """Have such an inventory."""
    text, found = re.subn(LEFT_OUT, "", (checkout / INVENTORY).read_text())
    assert found == 2
    (checkout / WITHOUT).write_text(text)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("changing") / "tandem"
    with own_lab(directory, INVENTORY, without_the_second) as lab:
        yield lab


def sysctls(lab: Lab) -> dict[tuple[str, str, str], str]:
    """Those of each machine's interfaces."""
    places = [(name, each) for name in ("eth0", "eth1") for each in SYSCTLS]
    shell = "; ".join(f"cat /proc/sys/net/ipv4/conf/{'/'.join(place)}" for place in places)
    return {
        (host, *place): value
        for host in HOSTS
        for place, value in zip(places, on(lab, host, shell).split(), strict=True)
    }


def without(lab: Lab) -> None:
    done = pyinfra(lab, "-y", WITHOUT, "deploy.py")
    assert done.returncode == 0, done.stdout


def test_a_network_comes_and_goes_and_nothing_is_left_of_it(networks: Lab) -> None:
    bare = sysctls(networks)
    without(networks)
    one = sysctls(networks)
    changed = {place[1] for place, value in one.items() if value != bare[place]}
    assert changed == {"eth0"}, "the other one is none of ours"
    with asked(networks, FIRST):
        deploy(networks)
        one_each(networks, AS_WANTED)
    both = sysctls(networks)
    assert all(both[host, "eth1", each] == both[host, "eth0", each] for host, _, each in both)
    with asked(networks, FIRST):
        without(networks)
        one_each(networks, {FIRST: ["host1"], SECOND: []})
    again = {place: value for place, value in sysctls(networks).items() if place[2] != KEPT}
    assert again == {place: value for place, value in one.items() if place[2] != KEPT}
    deploy(networks)
    one_each(networks, AS_WANTED)
    assert changed_nothing(deploy(networks))
    done = pyinfra(networks, "-y", INVENTORY, "teardown.py")
    assert done.returncode == 0, done.stdout
    assert sysctls(networks) == bare
    for host in HOSTS:
        shown = on(networks, host, "ip -o -4 address show")
        assert FIRST not in shown and SECOND not in shown


def test_vrrp_moves_from_one_network_to_the_other_and_back(networks: Lab) -> None:
    """Meanwhile those before do not hear those after: both hold it, and both serve."""
    deploy(networks)
    one_each(networks, AS_WANTED)
    for words, moves in ((VRRP_ON_ETH1, 2), ((), 2)):
        with asked(networks, FIRST, SECOND):
            said = deploy(networks, *words)
            one_each(networks, AS_WANTED)
        assert f"moved the VIP {moves} times" in said
        assert changed_nothing(deploy(networks, *words))
