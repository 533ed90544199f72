"""Further interfaces: which VIP is where, where VRRP is spoken, and what is refused."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

import pytest
from pyinfra.api import Inventory

import settings
from settings.mistakes import vip_mistakes
from tests.support import fakes
from tests.unit.settings.test_settings import inventory, mistakes

MORE = {"10.20.0.254/24": "host2"}
Hosts = dict[str, dict[str, Any]]


def hosts(**one: Any) -> Hosts:
    """Two machines in two networks; `one`: what host1 has besides, or instead."""
    made: Hosts = {
        f"host{number}": {
            "ssh_hostname": f"172.16.12.6{number}",
            "priority": 103 - number,
            "page": f"page {number}",
            "more_interfaces": {"eth1": f"10.20.0.6{number}"},
        }
        for number in (1, 2)
    }
    made["host1"] |= one
    return made


def cluster(given: Hosts | None = None, **group: Any) -> settings.Cluster:
    (found,) = settings.load(inventory(given or hosts(), **{"more_vips": MORE} | group))
    return found


def refused(given: Hosts | None = None, **group: Any) -> list[str]:
    return mistakes(inventory(given or hosts(), **{"more_vips": MORE} | group))


# --- which is where ------------------------------------------------------------------------------


def test_a_vip_is_on_the_interface_that_is_in_its_network() -> None:
    here = cluster()
    for vrrp, interface, own in zip(
        here.vips, ("eth0", "eth1"), ("172.16.12.61", "10.20.0.61"), strict=True
    ):
        mine = vrrp.view_of(here.nodes[0])
        assert (mine.interface, str(mine.own)) == (interface, own)
        assert (mine.vrrp.name, str(mine.speaks_from)) == (interface, own)
        assert {each.name for each in mine.interfaces} == {"eth0", "eth1"}
        assert vrrp.label(here.nodes[0]) == f"{interface}:{vrrp.place}"
    assert here.carried(here.nodes[0]) == (("eth0", here.vip), ("eth1", here.vips[1].vip))


def test_a_vip_in_no_own_network_is_on_interface() -> None:
    here = cluster(more_vips=MORE | {"203.0.113.7/32": "host1"})
    assert here.vips[2].view_of(here.nodes[0]).interface == "eth0"


def test_vrrp_is_spoken_where_it_is_to_be_for_every_vip() -> None:
    for wanted, own in (("eth1", "10.20.0.61"), ("eth0", "172.16.12.61")):
        here = cluster(vrrp_interface=wanted)
        for vrrp in here.vips:
            mine = vrrp.view_of(here.nodes[0])
            assert (mine.vrrp.name, str(mine.speaks_from)) == (wanted, own)
        assert [vrrp.view_of(here.nodes[0]).interface for vrrp in here.vips] == ["eth0", "eth1"]


def test_an_interface_may_be_for_vrrp_alone() -> None:
    here = cluster(more_vips={}, vrrp_interface="eth1")
    mine = here.nodes[0]
    assert (mine.interface, str(mine.own)) == ("eth0", "172.16.12.61")
    assert (mine.vrrp.name, str(mine.speaks_from)) == ("eth1", "10.20.0.61")


def test_an_interface_has_an_address_of_each_family() -> None:
    both: Hosts = {
        name: data | {"more_interfaces": {"eth1": [f"10.20.0.6{n}", f"fd62:1::6{n}"]}}
        for n, (name, data) in enumerate(hosts().items(), start=1)
    }
    here = cluster(both, more_vips=MORE | {"fd62:1::254/64": "host1"})
    mine = here.vips[2].view_of(here.nodes[0])
    assert (mine.interface, str(mine.own), str(mine.speaks_from)) == ("eth1", *["fd62:1::61"] * 2)


def test_a_machine_with_neither_setting_has_one_interface() -> None:
    (bare,) = settings.load(inventory())
    (only,) = bare.nodes[0].interfaces
    assert only.name == bare.nodes[0].vrrp.name == "eth0"
    assert bare.nodes[0].own == bare.nodes[0].speaks_from == only.address


# --- what is refused -----------------------------------------------------------------------------

GIVE = (
    "give each further interface with the machine's own address there, "
    '{"eth1": "10.20.0.61"}, or with one of IPv4 and one of IPv6, '
    '{"eth1": ["10.20.0.61", "fd62:1::61"]}'
)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"eth1 ": "10.20.0.61"}, f"more_interfaces = {{'eth1 ': '10.20.0.61'}}: {GIVE}"),
        ({"eth1": "10.20.0"}, f"more_interfaces = {{'eth1': '10.20.0'}}: {GIVE}"),
        ({"eth1": []}, f"more_interfaces = {{'eth1': []}}: {GIVE}"),
        (["eth1"], f"more_interfaces = ['eth1']: {GIVE}"),
        (
            {"eth0": "10.20.0.61"},
            "more_interfaces = 'eth0': this is `interface` already: leave it out",
        ),
        (
            {"eth1": ["10.20.0.61", "10.20.0.71"]},
            "more_interfaces = 'eth1': give one IPv4 address, and one IPv6 address at the most",
        ),
        (
            {"eth1": "10.20.0.61", "eth2": "10.30.0.61"},
            "more_interfaces = 'eth2': no VIP of more_vips is in a network with 10.30.0.61, and it "
            "is not vrrp_interface: leave it out",
        ),
    ],
)
def test_a_mistake_of_more_interfaces_is_refused(given: object, said: str) -> None:
    assert f"host1: {said}" in refused(hosts(more_interfaces=given))


def test_a_vip_in_a_network_of_no_interface_is_refused_with_what_would_be_right() -> None:
    (said,) = refused(hosts(more_interfaces={}))
    assert said == (
        "host1: more_vips = 10.20.0.254/24: its network 10.20.0.0/24 does not contain the address "
        "172.16.12.61; where a router sends what is for it to these machines, give 10.20.0.254/32; "
        "if it is on another interface, give that in more_interfaces"
    )


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("10.20.0.62", "host1, host2: more_interfaces = 10.20.0.62: give each machine its own"),
        ("172.16.12.62", "host1, host2: more_interfaces = 172.16.12.62: give each machine its own"),
    ],
)
def test_an_address_of_another_machine_is_refused(own: str, said: str) -> None:
    assert said in refused(hosts(more_interfaces={"eth1": own}))


def test_the_first_machines_address_on_a_further_interface_of_the_second_is_refused() -> None:
    given = hosts()
    given["host2"] = {**given["host2"], "more_interfaces": {"eth1": "172.16.12.61"}}
    assert any("more_interfaces = 172.16.12.61: give each" in said for said in refused(given))


def test_a_vip_that_is_a_machines_own_address_on_a_further_interface_is_refused() -> None:
    said = refused(more_vips={"10.20.0.62/24": "host1"})
    assert said == [
        "web: more_vips = 10.20.0.62/24: this is the address of host2 itself",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"vrrp_interface": "eth9"},
            "host1, host2: vrrp_interface = 'eth9': give eth0, eth1, or name it in "
            "more_interfaces, with this machine's own address there",
        ),
        (
            {"vrrp_interface": "eth 1"},
            "host1, host2: vrrp_interface = 'eth 1': give `interface`, one of more_interfaces, or "
            "None: each VIP's own",
        ),
        (
            {"vrrp_interface": "eth1", "more_vips": {"fd61:1::254/64": "host1"}},
            "host1, host2: vrrp_interface = 'eth1': VRRP for an IPv6 VIP needs this machine's own "
            "IPv6 address there",
        ),
    ],
)
def test_an_interface_that_vrrp_cannot_be_spoken_on_is_refused(
    given: dict[str, Any], said: str
) -> None:
    six = {name: data | {"address6": f"fd61:1::{name[-1]}"} for name, data in hosts().items()}
    assert said in refused(six, **given)


def test_machines_of_which_some_speak_vrrp_elsewhere_are_refused() -> None:
    assert refused(hosts(vrrp_interface="eth1")) == [
        "web: vrrp_interface = None: host2: give each machine one, or none"
    ]


def test_all_of_it_is_said_at_once() -> None:
    both = {
        name: data | {"more_interfaces": {"eth2": "10.30.0.60"}} for name, data in hosts().items()
    }
    settings_said = {
        each.partition(" = ")[0].split()[-1]
        for each in refused(both, vrrp_interface="eth7", virtual_router_id=0)
    }
    assert settings_said == {"more_interfaces", "more_vips", "virtual_router_id", "vrrp_interface"}


# --- what only the machine shows -----------------------------------------------------------------

CARRIED = {
    "lo": "127.0.0.1/8",
    "eth0": "172.16.12.61/16",
    "eth1": "10.20.0.61/24",
}


def found(carried: dict[str, str], **group: Any) -> list[str]:
    here = cluster(**group)
    machine = {
        name: tuple(map(ip_interface, addresses.split())) for name, addresses in carried.items()
    }
    node = here.nodes[0]
    wrong = [
        *vip_mistakes.of_machine(node, machine),
        *vip_mistakes.of_hearing(node, here, machine),
    ]
    return [str(each) for each in wrong]


@pytest.mark.parametrize(
    ("carried", "said"),
    [
        ({}, None),
        (
            {"eth1": ""},
            "host1: more_interfaces = '10.20.0.61': eth1 has no IPv4 address",
        ),
        (
            {"eth1": "10.20.0.71/24"},
            "host1: more_interfaces = '10.20.0.61': eth1 has 10.20.0.71",
        ),
        (
            {"eth1": "10.20.0.61/16"},
            "host1: more_vips = 10.20.0.254/24: eth1 has 10.20.0.61/16: give 10.20.0.254/16. Its "
            "holder would look for all of 10.20.0.0/24 on its own wire",
        ),
    ],
)
def test_what_a_machine_has_is_compared_on_each_interface(
    carried: dict[str, str], said: str | None
) -> None:
    assert found(CARRIED | carried) == ([said] if said else [])


def test_an_interface_that_is_not_there_is_named() -> None:
    without = {name: text for name, text in CARRIED.items() if name != "eth1"}
    assert found(without) == [
        "host1: more_interfaces = 'eth1': this machine has no such interface; it has eth0"
    ]


@pytest.mark.parametrize(
    ("group", "carried", "said"),
    [
        (
            {"more_vips": {}, "vrrp_interface": "eth1"},
            {"eth1": "10.20.0.61/31"},
            "host1: vrrp_interface = 'eth1': it has 10.20.0.61 in 10.20.0.60/31, and host2 would "
            "send its adverts from 10.20.0.62: they pass no router. Give the machines addresses of "
            "one network there",
        ),
        ({"more_vips": {}, "vrrp_interface": "eth1"}, {"eth1": "10.20.0.61/24"}, None),
        # A single address says of its network nothing.
        ({"more_vips": {}, "vrrp_interface": "eth1"}, {"eth1": "10.20.0.61/32"}, None),
        (
            {"more_vips": {}, "vip": "203.0.113.7/32"},
            {"eth0": "172.16.12.61/31"},
            "host1: interface = 'eth0': it has 172.16.12.61 in 172.16.12.60/31, and host2 would "
            "send its adverts from 172.16.12.62: they pass no router. Give the machines addresses "
            "of one network there",
        ),
    ],
)
def test_machines_that_could_not_hear_each_other_are_refused(
    group: dict[str, Any], carried: dict[str, str], said: str | None
) -> None:
    given = hosts()
    if "vrrp_interface" not in group:
        given = {name: data | {"more_interfaces": {}} for name, data in given.items()}
    here = cluster(given, **group)
    machine = {
        name: tuple(map(ip_interface, text.split())) for name, text in (CARRIED | carried).items()
    }
    wrong = vip_mistakes.of_hearing(here.nodes[0], here, machine)
    assert [str(each) for each in wrong] == ([said] if said else [])


def test_two_clusters_that_speak_vrrp_in_one_network_want_different_numbers() -> None:
    """Also where their VIPs are in different ones."""
    data = fakes.defaults()
    other = [
        (name, {"ssh_hostname": f"10.20.0.7{n}", "priority": n, "page": "x"})
        for n, name in enumerate(("a", "b"), start=1)
    ]

    def both(number: int) -> Inventory:
        return Inventory(  # type: ignore[no-untyped-call]
            ([*hosts().items(), *other], data),
            web=(list(hosts().items()), {"vip": "172.16.12.254/16", "vrrp_interface": "eth1"}),
            other=(other, {"vip": "10.20.0.250/24", "virtual_router_id": number}),
        )

    (said,) = mistakes(both(61))
    assert said == (
        "web, other: virtual_router_id = 61: both are on 10.20.0.0/24; give each cluster its own "
        "number"
    )
    assert len(settings.load(both(9))) == 2
