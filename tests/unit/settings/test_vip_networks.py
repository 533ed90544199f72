"""A VIP with another prefix than the machine's own network, for IPv4 and IPv6, and each VIP."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

import pytest

import settings
from settings.mistakes import vip_mistakes
from tests.support.broken_upkeep import own_address
from tests.support.snapshots import Spoiled
from tests.unit.settings.test_settings import inventory, mistakes

OWN6 = "fd61:1::61"
HOSTS = {
    name: {"ssh_hostname": f"10.20.0.1{n}", "priority": n, "page": "x", "address6": f"fd61::{n}"}
    for n, name in enumerate(("host1", "host2"), 1)
}


def found(carried: str, **given: Any) -> list[str]:
    """What is wrong where host1's interface has these addresses."""
    data = {"address6": OWN6} if "vip6" in given or ":" in str(given) else {}
    hosts = {
        "host1": {"ssh_hostname": "10.20.0.11", "priority": 2, "page": "one", **data},
        "host2": {"ssh_hostname": "10.20.0.12", "priority": 1, "page": "two"}
        | ({"address6": "fd61:1::62"} if data else {}),
    }
    (cluster,) = settings.load(inventory(hosts, **{"vip": "10.20.0.254/24"} | given))
    addresses = [ip_interface(each) for each in carried.split()]
    return [str(each) for each in vip_mistakes.of_networks(cluster.preferred, {"eth0": addresses})]


@pytest.mark.parametrize(
    ("carried", "given", "said"),
    [
        (
            "10.20.0.11/24",
            {"vip": "10.20.0.254/16"},
            "host1: vip = 10.20.0.254/16: eth0 has 10.20.0.11/24: give 10.20.0.254/24. Its holder "
            "would look for all of 10.20.0.0/16 on its own wire",
        ),
        (
            "10.20.0.11/16",
            {"vip": "10.20.0.254/24"},
            "vip = 10.20.0.254/24: eth0 has 10.20.0.11/16",
        ),
        (
            "10.20.0.11/24",
            {"vip": "10.20.7.254/16"},
            "give an address of 10.20.0.0/24, with /24",
        ),
        (
            "10.20.0.11/24",
            {"more_vips": {"10.20.0.253/16": "host2"}},
            "more_vips = 10.20.0.253/16: eth0 has 10.20.0.11/24: give 10.20.0.253/24",
        ),
        (
            f"10.20.0.11/24 {OWN6}/64",
            {"vip6": "fd61:1::254/48"},
            f"vip6 = fd61:1::254/48: eth0 has {OWN6}/64: give fd61:1::254/64",
        ),
        (
            f"10.20.0.11/24 {OWN6}/64",
            {"vip": "fd61:1::254/56", "vip6": None},
            f"vip = fd61:1::254/56: eth0 has {OWN6}/64: give fd61:1::254/64",
        ),
        # The holder carries the VIP itself, with its wrong prefix.
        (
            "10.20.0.11/24 10.20.0.254/16",
            {"vip": "10.20.0.254/16"},
            "give 10.20.0.254/24",
        ),
    ],
)
def test_another_prefix_is_a_mistake_with_what_would_be_right(
    carried: str, given: dict[str, Any], said: str
) -> None:
    (mistake,) = found(carried, **given)
    assert said in mistake


@pytest.mark.parametrize(
    ("carried", "given"),
    [
        ("10.20.0.11/24", {}),
        ("10.20.0.11/24 10.20.0.254/24", {}),
        (f"10.20.0.11/24 {OWN6}/64 fe80::1/64", {"vip6": "fd61:1::254/64"}),
        # An address of DHCPv6 is a single one; the network's prefix comes with the router's word.
        (f"10.20.0.11/24 {OWN6}/128", {"vip6": "fd61:1::254/64"}),
        (f"10.20.0.11/24 {OWN6}/128 fd61:1::9/64", {"vip6": "fd61:1::254/64"}),
        # Clouds give each machine an address without a network.
        ("10.20.0.11/32", {}),
        # A second address may have the VIP's network.
        ("10.20.0.11/16 10.20.0.12/24", {}),
    ],
)
def test_what_brings_no_wrong_route_is_none(carried: str, given: dict[str, Any]) -> None:
    assert found(carried, **given) == []


def test_a_single_address_brings_no_route() -> None:
    node = settings.load(inventory())[0].preferred
    alone = node.model_copy(update={"vip": ip_interface("172.16.12.254/32")})
    assert not list(vip_mistakes.of_networks(alone, {"eth0": [ip_interface("172.16.12.61/24")]}))
    six = {"vip6": ip_interface("fd61:1::254/128"), "address6": ip_interface("fd61:1::61/64").ip}
    alone = alone.model_copy(update=six)
    carried = [ip_interface("172.16.12.61/24"), ip_interface("fd61:1::61/64")]
    assert not list(vip_mistakes.of_networks(alone, {"eth0": carried}))


@pytest.mark.parametrize("prefix", [16, 24])
def test_the_verifier_finds_it_on_machines_as_well(prefix: int) -> None:
    verdict = own_address("host2", prefixlen=prefix)(Spoiled()).judge(only="NET-05")
    failed = {(finding.host, finding.outcome.name) for finding in verdict.bad}
    assert failed == ({("host2", "FAIL")} if prefix == 24 else set())
    told = [finding.answer.actual for finding in verdict.bad]
    assert all("vip is 172.16.12.254/16: eth0 has 172.16.12.62/24: give" in each for each in told)


def test_a_single_address_may_be_in_no_network_of_the_machines() -> None:
    given: dict[str, Any] = {
        "vip": "203.0.113.7/32",
        "vip6": "2001:db8:7::7/128",
        "more_vips": {"203.0.113.8/32": "host2"},
    }
    for version in (2, 3):
        assert found(f"10.20.0.11/24 {OWN6}/64", **given, vrrp_version=version) == []
    (cluster,) = settings.load(inventory(HOSTS, **given))
    assert [str(cluster.as_held(vip)) for vip in cluster.addresses] == [
        *("203.0.113.7/32", "2001:db8:7::7/128", "203.0.113.8/32")
    ]
    assert (cluster.preferred.ntp_server, cluster.preferred.smtp_server) == ("", "localhost")
    assert cluster.beside_own(cluster.preferred) == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"vip": "203.0.113.7/24"}, "send"),
        ({"vip": "203.0.113.7/24"}, "give 203.0.113.7/32"),
        ({"vip": "2001:db8:7::7/64", "vip6": None}, "give 2001:db8:7::7/128"),
        ({"vip6": "2001:db8:7::7/64"}, "give 2001:db8:7::7/128"),
    ],
)
def test_with_another_prefix_it_is_refused(given: dict[str, Any], said: str) -> None:
    told = mistakes(inventory(HOSTS, **{"vip": "10.20.0.254/24"} | given))
    assert any(said in each for each in told)
