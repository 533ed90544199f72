"""The passwords of routers, and where the routers are: what is refused of both."""

from __future__ import annotations

from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import Bars
from settings.mistakes import vip_mistakes
from settings.values import written
from tests.unit.settings.network.test_routed_settings import (
    BGP,
    BOTH,
    ROUTER,
    ROUTER6,
    SECRET,
    cluster,
    hosts,
    refused,
)
from tests.unit.settings.test_settings import inventory


def passwords(tmp_path: Path, text: str) -> list[dict[str, Any]]:
    """A router whose password is had from a file, and from a command."""
    file = tmp_path / "bgp"
    file.write_text(text)
    return [
        ROUTER | {"password_file": str(file)},
        ROUTER | {"password_command": ["cat", str(file)]},
    ]


@pytest.mark.parametrize("text", [SECRET, "#a b'\\${};/*", "x" * 80])
def test_a_password_is_had_from_elsewhere_and_shown_nowhere(text: str, tmp_path: Path) -> None:
    for router in passwords(tmp_path, f"{text}\n"):
        here = cluster(routers=[router])
        assert {n.routers[0].password.get_secret_value() for n in here.nodes} == {text}
        assert text not in f"{here!r}{here}{here.model_dump_json()}{here.preferred.routers}"


def test_a_password_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_TEST_BGP", SECRET)
    here = cluster(routers=[ROUTER | {"password_env": "TANDEM_TEST_BGP"}])
    assert here.preferred.routers[0].password.get_secret_value() == SECRET


@pytest.mark.parametrize("text", ["x" * 81, f'{SECRET}"', f"{SECRET}\n{SECRET}", f"{SECRET}ä"])
def test_a_password_that_bgp_does_not_take_is_refused(text: str, tmp_path: Path) -> None:
    for router in passwords(tmp_path, text):
        (told,) = refused(routers=[router])
        assert "is no password for BGP: give 1 to 80 printable characters of ASCII" in told
        assert SECRET not in told


def test_a_password_that_cannot_be_had_bars_deploys_alone(tmp_path: Path) -> None:
    (file, command) = passwords(tmp_path, "")
    unset = ROUTER | {"password_env": "TANDEM_TEST_UNSET"}
    for router, said in (
        (file, "has nothing in it"),
        (command, "has nothing in it"),
        (unset, "is not there"),
        (ROUTER | {"password_file": "/no/such/file"}, "routers[0].password_file = '/no/such/file'"),
        (ROUTER | {"password_command": ["/no/such", SECRET]}, "cannot be run"),
    ):
        (told,) = refused(routers=[router])
        assert said in told and SECRET not in told
        machines = inventory(hosts(), **BGP | {"routers": [router]})
        assert [doubt.bars for doubt in settings.doubts(machines)] == [Bars.DEPLOY]
        (here,) = settings.clusters(machines)
        # That there is one is known all the same.
        assert here.preferred.routers[0].password


def test_two_origins_of_one_password_are_refused() -> None:
    (told,) = refused(routers=[ROUTER | {"password_file": "pyproject.toml", "password_env": "B"}])[
        :1
    ]
    assert "password_file is set, too: give one of them" in told


@pytest.mark.parametrize("name", ["password", "md5", "passwd", "key"])
def test_a_password_in_the_inventory_is_refused_and_not_shown(name: str) -> None:
    (told,) = refused(routers=[ROUTER | {name: SECRET}])
    assert "password_file, password_env or password_command" in told and SECRET not in told


# --- the command that asks a router -------------------------------------------------------------

VIEW = ["ssh", "admin@10.1.0.1", "show ip route {vip}/32"]
WORDS = "no shell takes it apart: give a list of words, those of a command"


def test_a_router_may_be_asked_for_its_own_route_to_the_vip_of_its_family() -> None:
    view6 = [*VIEW[:2], VIEW[2].replace("/32", "/128")]
    routers = [ROUTER | {"view_command": VIEW}, ROUTER6 | {"view_command": view6}]
    here = cluster(**BOTH | {"routers": routers})
    said = [
        router.asked_for(next(vip for vip in here.addresses if vip.version == version))[-1]
        for version in (4, 6)
        for router in here.preferred.routers_of(version)[:1]
    ]
    assert said == ["show ip route 192.0.2.80/32", f"show ip route {here.vip6.ip}/128"]  # type: ignore[union-attr]
    assert cluster().preferred.routers[0].asked_for(here.vip) == ()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("ssh admin@10.1.0.1 show ip route", f"{WORDS} that prints the router's"),
        ("ssh r 'show", f"{WORDS} that prints the router's"),
        (["ssh", 22], "the words of a command that prints the router's route to the VIP"),
        (["ssh", ""], "a word of it is empty: leave that out"),
        ([" "], "a word of it is empty: leave that out"),
        (["ssh r show"], WORDS),
        (["ssh r 'show"], WORDS),
        (["ssh", "r\0"], "a word of it has a NUL byte"),
        (["ssh", "r", "show {vip}/24"], "nothing with /24: write {vip}/32"),
        (["ssh", "r", "show {vip}/128"], "nothing with /128: write {vip}/32"),
        (["ssh", "r", "show {vip6}"], "{vip} is the VIP of the router's family: write that alone"),
        (["ssh", "r", "show {VIP}"], "{vip} is the VIP of the router's family: write that alone"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused(command: Any, said: str) -> None:
    (told,) = refused(routers=[ROUTER | {"view_command": command}])
    assert said in told


def test_a_route_of_ipv6_is_one_address_too() -> None:
    routers = [ROUTER, ROUTER6 | {"view_command": VIEW}]
    (told,) = refused(**BOTH | {"routers": routers})
    assert "routers[1].view_command = " in told and "with /32: write {vip}/128" in told
    # (No prefix, and what is none.)
    for word in ("show {vip}", "{vip}/255.255.255.255", "http://r/{vip}/x"):
        assert cluster(routers=[ROUTER | {"view_command": ["ssh", word]}])


@pytest.mark.parametrize("name", ["view_command", "password_command"])
def test_one_line_is_no_command_and_no_word_of_it_is_shown(name: str) -> None:
    for command in (f"ssh {SECRET} r", f"ssh '{SECRET} r", [f"ssh {SECRET} r"]):
        (told,) = refused(routers=[ROUTER | {name: command}])
        assert SECRET not in told
        if isinstance(command, str):
            assert "no shell takes it apart: give a list of words, those of a command" in told


def test_a_nul_byte_is_a_mistake_and_no_crash() -> None:
    for origin in ({"password_command": ["a\0b"]}, {"password_file": "a\0b"}):
        (told,) = refused(routers=[ROUTER | origin])
        assert "there is a NUL byte in it" in told


# --- the mesh's own network ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "group", "setting"),
    [
        ({"ssh_hostname": "169.254.71.11"}, {}, "address = 169.254.71.11"),
        ({"more_interfaces": {"eth1": ["169.254.71.1"]}}, {}, "more_interfaces = 169.254.71.1"),
        ({}, {"vip": "169.254.71.80/32"}, "vip = 169.254.71.80"),
    ],
)
def test_an_address_in_the_meshs_network_is_refused(
    first: dict[str, Any], group: dict[str, Any], setting: str
) -> None:
    (told,) = refused(hosts(**first), **group)
    assert setting in told and "169.254.71.0/24 is the mesh's" in told


# --- what a machine's own networks say -----------------------------------------------------------

NEAR = {
    "lo": [ip_interface("127.0.0.1/8"), ip_interface("192.0.2.80/32")],
    "eth0": [ip_interface("10.1.0.11/24"), ip_interface("fd61:1::11/64")],
    "eth1": [ip_interface("10.9.0.11/24"), ip_interface("fe80::1/64")],
}


def found(networks: dict[str, Any] | None = None, **group: Any) -> list[str]:
    named = group.pop("more_interfaces", {})
    node = cluster(hosts(more_interfaces=named), **group).preferred
    return [str(each) for each in vip_mistakes.of_machine(node, NEAR | (networks or {}))]


def test_a_router_in_any_network_of_the_machine_is_near() -> None:
    assert found() == [] and found(**BOTH) == []
    assert found(routers=[WIRE], more_interfaces={"eth1": "10.9.0.11"}) == []


WIRE = {"address": "10.9.0.1", "asn": 64512}
WIRE6 = {"address": "fd62:1::1", "asn": 64512}
SIX = {"eth1": [*NEAR["eth1"], ip_interface("fd62:1::11/64")]}


def test_a_router_is_behind_an_interface_that_a_setting_names() -> None:
    """BFD's pattern, arp_ignore, firewalld and RT-09 know those alone."""
    (told,) = found(routers=[WIRE])
    assert told == (
        "host1: routers[0].address = 10.9.0.1: it is behind eth1, where this machine has "
        "10.9.0.11/24, and no setting says so: give that in more_interfaces, "
        '{"eth1": "10.9.0.11"}'
    )
    # Of both families at once; and what is named for one is not named for the other.
    both = BOTH | {"routers": [WIRE, WIRE6]}
    right = {"eth1": ["10.9.0.11", "fd62:1::11"]}
    told_of_both = found(SIX, **both)
    assert len(told_of_both) == 2 and all(written(right) in each for each in told_of_both)
    (told,) = found(SIX, **both, more_interfaces={"eth1": "10.9.0.11"})
    assert "routers[1].address" in told and written(right) in told
    assert found(SIX, **both, more_interfaces=right) == []
    assert found(routers=[WIRE | {"hops": 2}]) == []


@pytest.mark.parametrize(
    ("router", "said"),
    [
        (ROUTER | {"address": "10.1.0.0"}, "this is the address of the network 10.1.0.0/24 itself"),
        (ROUTER | {"address": "10.1.0.255"}, "this is the broadcast address of 10.1.0.0/24"),
        (ROUTER6 | {"address": "fd61:1::"}, "the address of the network fd61:1::/64 itself"),
    ],
)
def test_an_address_that_stands_for_a_network_is_no_router_s(
    router: dict[str, Any], said: str
) -> None:
    for hops in (1, 2):
        (told,) = found(**BOTH | {"routers": [ROUTER, ROUTER6, router | {"hops": hops}]})
        assert said in told and "give the router's own address there" in told
    pair = {"eth1": [ip_interface("10.9.0.0/31")]}
    wire = {"eth1": "10.9.0.0"}
    assert found(pair, routers=[WIRE], more_interfaces=wire) == []


def test_a_router_that_is_not_near_says_how_far_it_is() -> None:
    far = {"address": "10.2.0.1", "asn": 64512}
    (told,) = found(routers=[ROUTER, far])
    assert told == (
        "host1: routers[1].address = 10.2.0.1: this machine has 10.1.0.11/24, 10.9.0.11/24: give "
        'the router\'s address there; or, with others in between, "hops", how far it is'
    )
    assert found(routers=[far | {"hops": 2}]) == []
    # A single address, as clouds give it, is in no network.
    (told,) = found({"eth0": [ip_interface("10.1.0.11/32"), NEAR["eth0"][1]], "eth1": []})
    assert "this machine has no network of IPv4: give" in told


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"vip": "10.9.0.80/32"}, "vip = 10.9.0.80/32: eth1 has 10.9.0.11/24: who is in that"),
        (BOTH | {"vip6": "fd61:1::80/128"}, "asks for the VIP by neighbour discovery"),
    ],
)
def test_a_vip_in_a_network_of_the_machine_is_refused(group: dict[str, Any], said: str) -> None:
    (told,) = found(**group)
    assert said in told and "Give an address that is in no machine's network" in told
    assert len(list(vip_mistakes.of_networks(cluster(**group).preferred, NEAR))) == 1


def test_machines_in_two_rooms_need_no_network_in_common() -> None:
    rooms = hosts(ssh_hostname="10.8.0.11", routers=[{"address": "10.8.0.1", "asn": 64512}])
    here = cluster(rooms)
    carried = {"eth0": [ip_interface("10.8.0.11/24")]}
    node = next(each for each in here.nodes if each.name == "host1")
    assert not list(vip_mistakes.of_hearing(node, here, carried))
