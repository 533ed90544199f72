"""The routed profile's settings: what a person may write, and what is refused with its remedy."""

from __future__ import annotations

from typing import Any

import pytest
from pyinfra.api import Inventory

import settings
from settings import mistakes as checks
from settings.cluster import Cluster
from settings.mistakes import cluster_mistakes, routed_mistakes
from settings.node import Node
from settings.values import UNREAD
from tests.support import fakes
from tests.unit.settings.test_settings import inventory, mistakes

ROUTER = {"address": "10.1.0.1", "asn": 64512}
ROUTER6 = {"address": "fd61:1::1", "asn": 64512}
BGP: dict[str, Any] = {
    "spread": "bgp",
    "vip": "192.0.2.80/32",
    "asn": 65010,
    "routers": [ROUTER],
}
BOTH = BGP | {"vip6": "2001:db8::80/128", "routers": [ROUTER, ROUTER6]}
Hosts = dict[str, dict[str, Any]]
SECRET = "xcanaryx"


def hosts(count: int = 2, **first: Any) -> Hosts:
    """So many machines without a priority; `first`: what host1 has besides, or instead."""
    made: Hosts = {
        f"host{number}": {
            "ssh_hostname": f"10.1.0.{10 + number}",
            "address6": f"fd61:1::{10 + number}",
            "page": f"page {number}",
        }
        for number in range(1, count + 1)
    }
    made["host1"] |= first
    return made


def cluster(given: Hosts | None = None, **group: Any) -> settings.Cluster:
    (found,) = settings.load(inventory(given or hosts(), **BGP | group))
    return found


def refused(given: Hosts | None = None, **group: Any) -> list[str]:
    return mistakes(inventory(given or hosts(), **BGP | group))


# --- what may be written -------------------------------------------------------------------------


def test_every_machine_has_the_vip_as_one_address_of_lo() -> None:
    here = cluster(**BOTH, virtual_router_id=61)
    node = here.preferred
    assert here.routed and node.routed
    assert not node.model_copy(update={"vrrp_version": 2}).classic
    assert here.vips == (here,) and (str(here.held), here.scope) == ("192.0.2.80/32", "host")
    assert [str(each) for each in here.addresses] == ["192.0.2.80/32", "2001:db8::80/128"]
    assert {name for name, _ in here.carried(node)} == {"lo"} and here.label(node) == ""
    assert here.beside_own(node) == () and list(settings.warnings(here)) == []
    assert [str(each.address) for each in node.routers_of(6)] == ["fd61:1::1"]
    assert (node.ntp_server, node.smtp_server) == ("", "localhost")


def test_a_router_is_near_with_bfd_and_without_a_password() -> None:
    (router,) = cluster().preferred.routers
    assert (str(router.address), router.asn, router.bfd, router.hops) == (
        "10.1.0.1",
        64512,
        True,
        1,
    )
    assert router.password.get_secret_value() == "" and not router.password
    assert cluster().preferred.bfd_detection_ms == 150


def test_without_priorities_the_machines_have_the_inventorys_order() -> None:
    assert [node.name for node in cluster(hosts(3)).nodes] == ["host1", "host2", "host3"]
    some = hosts(4)
    some["host3"]["priority"] = 101
    some["host2"]["priority"] = 102
    order = [node.name for node in cluster(some).nodes]
    assert order == ["host2", "host3", "host1", "host4"]
    with pytest.raises(settings.SettingsError, match=r"priority = '\(not set\)'"):
        settings.load(inventory(hosts(), vip="10.1.0.254/24"))


def test_machines_may_have_other_routers_and_systems() -> None:
    there = {"address": "10.2.0.1", "asn": 64513}
    wires = {"eth1": "10.2.0.11"}
    here = cluster(hosts(asn=65011, routers=[there], priority=9, more_interfaces=wires))
    assert [str(node.routers[0].address) for node in here.nodes] == ["10.2.0.1", "10.1.0.1"]
    assert [node.asn for node in here.nodes] == [65011, 65010]


def test_an_ipv6_address_may_be_all_there_is() -> None:
    here = cluster(vip="2001:db8::80/128", routers=[ROUTER6])
    assert str(here.held) == "2001:db8::80/128" and here.family == "ip6"


@pytest.mark.parametrize("asn", [1, 23455, 64512, 65534, 65536, 4_200_000_000, 4_294_967_294])
def test_numbers_of_systems_that_may_be(asn: int) -> None:
    assert cluster(asn=asn, routers=[ROUTER | {"asn": 3}]).preferred.asn == asn


def test_with_vrrp_nothing_of_it_is_there() -> None:
    (here,) = settings.load(inventory())
    node = here.preferred
    assert not here.routed and (node.spread, node.asn, node.routers) == ("vrrp", None, ())
    assert here.carried(node) == (("eth0", here.vip),) and here.label(node) == "eth0:0"


# --- what is refused -----------------------------------------------------------------------------

PRODUCT = "let it be 30 to 10000"


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"spread": "anycast"}, 'spread = \'anycast\': give "vrrp" or "bgp"'),
        ({"asn": None}, "a private one, 64512 to 65534 or 4200000000 to 4294967294"),
        ({"asn": 0}, "asn = 0: give 1 to 4294967294"),
        ({"asn": 4_294_967_295}, "asn = 4294967295: give 1 to 4294967294"),
        ({"asn": 23456}, "asn = 23456: this number stands for numbers that old routers"),
        ({"asn": 65535}, "asn = 65535: this number is nobody's (RFC 7300): give your own"),
        ({"asn": 64512}, "routers[0].asn = 64512: the machine's own asn is the same"),
        ({"routers": []}, 'name the routers of this machine, [{"address": "10.1.0.1"'),
        ({"routers": ROUTER}, "give a list of routers"),
        (
            {"routers": [{"address": "10.1.0.1"}]},
            "routers[0].asn = '(not set)': give 1 to 4294967294",
        ),
        ({"routers": [ROUTER | {"asn": 23456}]}, "routers[0].asn = 23456: this number stands"),
        ({"routers": [ROUTER | {"remote_as": 1}]}, 'write "asn": 1'),
        ({"routers": [ROUTER | {"hops": 0}]}, "routers[0].hops = 0: give 1 (in the machine's own"),
        ({"routers": [ROUTER | {"hops": 256}]}, "own network) to 255"),
        ({"routers": [ROUTER, ROUTER]}, "routers[1].address = 10.1.0.1: it is named before"),
        ({"routers": [ROUTER | {"address": "10.1.0.12"}]}, "the address of host2 itself: give"),
        ({"routers": [ROUTER | {"address": "192.0.2.80"}]}, "this is a VIP of web: give"),
        ({"routers": [ROUTER, ROUTER6]}, "no VIP is of IPv6, so nothing is announced to it"),
        ({"routers": [ROUTER6]}, "vip = 192.0.2.80/32: it is announced over IPv4, and none"),
        ({"vip6": "2001:db8::80/128"}, "give the router's IPv6 address as one more of them"),
        ({"vip": "192.0.2.80/24"}, "vip = 192.0.2.80/24: every machine announces one address"),
        ({"vip": "192.0.2.80/24"}, "give 192.0.2.80/32"),
        ({"vip": "10.1.0.80/24"}, "give an address that is in no machine's network, with /32"),
        (BOTH | {"vip6": "2001:db8::80/64"}, "give 2001:db8::80/128"),
        (BOTH | {"vip6": "fd61:1::80/64"}, "is in no machine's network, with /128"),
        ({"vip": "10.1.0.12/32"}, "vip = 10.1.0.12/32: this is the address of host2 itself"),
        ({"more_vips": {"192.0.2.81/32": "host2"}}, "a further address is a further cluster's"),
        ({"bfd_interval_ms": 9}, "give 10 to 10000 milliseconds"),
        ({"bfd_misses": 51}, "bfd_misses = 51: give 1 to 50"),
        ({"bfd_interval_ms": 10, "bfd_misses": 2}, f"counts as gone after 20 ms: {PRODUCT}"),
        ({"bfd_interval_ms": 5000}, f"counts as gone after 15000 ms: {PRODUCT}"),
    ],
)
def test_what_cannot_work_is_refused(group: dict[str, Any], said: str) -> None:
    told = refused(**group)
    assert any(said in each for each in told), told


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"http_port": 179}, 'http_port = 179: this is BGP\'s with spread = "bgp"; give another'),
        ({"metrics": True, "metrics_allow": ["10.0.0.5"], "metrics_port": 179}, "metrics_port"),
        ({"streams": {"x": {"listen": 179, "to": ["10.0.0.1:1"]}}}, "streams[x].listen = 179"),
        (
            {"streams": {"x": {"listen": 4784, "protocol": "udp", "to": ["10.0.0.1:1"]}}},
            "streams[x].listen = 4784: this is BFD's",
        ),
        (
            {"streams": {"x": {"listen": 7113, "protocol": "udp", "to": ["10.0.0.1:1"]}}},
            "streams[x].listen = 7113: this is the hand-over's",
        ),
    ],
)
def test_ports_that_bird_and_the_mesh_have(group: dict[str, Any], said: str) -> None:
    (told,) = refused(**group)
    assert said in told
    # They are nobody's with the other profile.
    assert settings.load(inventory(**group))


def test_one_mistake_is_told_once() -> None:
    """No other part of what is judged says the same in its own words."""
    for group in ({"asn": None}, {"vip": "192.0.2.80/24"}, {"more_vips": {"192.0.2.81/32": "x"}}):
        assert len(refused(**group)) == 1, refused(**group)
    bare = {name: own | {"address6": None} for name, own in hosts().items()}
    (told,) = refused(bare, **BOTH)
    assert "address6 = None: vip6 is an IPv6 address: give this machine's own" in told
    also = refused(bare, **BOTH | {"vip6": "fd61:1::80/64"})
    assert len(also) == 2 and any("give fd61:1::80/128" in each for each in also), also


def test_all_of_it_is_refused_at_once() -> None:
    told = refused(asn=23456, routers=[{"address": "224.0.0.1", "asn": 0}], vip="192.0.2.80/24")
    assert len(told) == 4, told


@pytest.mark.parametrize("field", [name for name in Node.model_fields if name != "name"])
def test_what_could_not_be_read_is_left_alone(field: str) -> None:
    here = cluster(**BOTH)
    nodes = [node.model_copy(update={field: UNREAD}) for node in here.nodes]
    found = [mistake for node in nodes for mistake in checks.of_node(node)]
    found += cluster_mistakes.within("web", nodes)
    odd = Cluster(name="odd", nodes=tuple(nodes))
    found += cluster_mistakes.between([here.model_copy(update={"name": "even"}), odd])
    about = {mistake.setting for mistake in found} - {"vip", "vip6"}
    assert field not in about and about <= {"virtual_router_id"}, found


def test_seventeen_machines_are_too_many_and_sixteen_are_not() -> None:
    assert len(cluster(hosts(16)).nodes) == 16
    (told,) = refused(hosts(17))
    assert 'web: hosts = 17: with spread = "bgp" give 16 or less' in told
    assert any("two machines or more" in each for each in refused(hosts(1)))


def test_one_router_is_in_one_system() -> None:
    (told,) = refused(hosts(routers=[ROUTER | {"asn": 64513}]))
    assert told.startswith("host2: routers[0].asn = 64512: host1 has 64513 for 10.1.0.1")
    there: list[dict[str, object]] = [ROUTER | {"asn": 64513}]
    (told,) = mistakes(two_clusters(vip="192.0.2.81/32", routers=there))
    assert told == (
        "other1, other2: routers[0].asn = 64513: host1 has 64512 for 10.1.0.1: one of them is wrong"
    )
    # What could not be read says nothing, and hides nothing.
    there.append({"address": "10.1.0.2", "asn": 0})
    assert len(mistakes(two_clusters(vip="192.0.2.81/32", routers=there))) == 2


GIVEN: dict[str, Any] = {
    "virtual_router_id": 62,
    "vrrp_version": 2,
    "advert_interval_s": 0.1,
    "missed_adverts": 3,
    "preempt": False,
    "auth_pass": SECRET[:7],
    "auth_pass_file": f"no/{SECRET}",
    "auth_pass_env": SECRET,
    "auth_pass_command": ["echo", SECRET],
    "label": "eth9:1",
    "vrrp_interface": "eth9",
    "nginx_weight": -5,
    "maintenance_weight": -5,
    "check_interval_s": 3,
    "check_fall": 3,
    "checks": {"app": {"command": "/usr/bin/true", "weight": 61}},
    "notification_email": ["a@example.org"],
    "notification_email_from": "a@example.org",
    "smtp_server": "10.1.0.9",
}


def test_all_that_is_vrrps_or_keepalived_s_is_tried() -> None:
    assert GIVEN.keys() == {*routed_mistakes.OF_VRRP, *routed_mistakes.OF_KEEPALIVED}
    assert fakes.defaults().keys() >= GIVEN.keys() | set(routed_mistakes.OF_BGP)


@pytest.mark.parametrize("setting", GIVEN)
def test_what_has_no_effect_is_refused_where_it_is_given(setting: str) -> None:
    told = refused(**{setting: GIVEN[setting]})
    assert len(told) == 1 and f": {setting} = " in told[0], told
    assert 'leave it out: with spread = "bgp" ' in told[0] and SECRET[:7] not in told[0][60:]
    # The default, written out, is nobody's mistake.
    assert cluster(**{setting: fakes.defaults()[setting]})


@pytest.mark.parametrize(
    "given", [{"asn": 65010}, {"routers": [ROUTER]}, {"bfd_interval_ms": 60}, {"bfd_misses": 4}]
)
def test_what_only_bgp_has_is_refused_without_it(given: dict[str, Any]) -> None:
    (told,) = mistakes(inventory(**given))
    assert 'set spread = "bgp" as well, or leave it out' in told


def test_machines_of_one_cluster_spread_alike() -> None:
    told = refused(hosts(spread="vrrp", asn=None, routers=[], priority=2))
    assert "web: spread = 'bgp and vrrp': give every machine of a cluster the same" in told


def two_clusters(turned: bool = False, **second: Any) -> Inventory:
    data = fakes.defaults()
    first = list(hosts().items())
    others = [
        (f"other{n}", {"ssh_hostname": f"10.1.0.2{n}", "address6": f"fd61:1::2{n}", "page": "x"})
        for n in (1, 2)
    ]
    groups = {"web": (first, BOTH), "other": (others, BGP | second)}
    order = dict(reversed(groups.items())) if turned else groups
    return Inventory(([*first, *others], data), **order)  # type: ignore[no-untyped-call]


def test_each_cluster_has_an_address_of_its_own() -> None:
    assert len(settings.load(two_clusters(vip="192.0.2.81/32"))) == 2
    (told,) = mistakes(two_clusters())
    assert "vip = 192.0.2.80/32: give each VIP an address of its own" in told
    six = {"vip": "2001:db8::80/128", "routers": [ROUTER6]}
    for turned in (False, True):
        (told,) = mistakes(two_clusters(turned, **six))
        assert "vip6 = 2001:db8::80/128: give each VIP an address of its own" in told


def test_no_machine_of_another_cluster_is_a_router() -> None:
    near = ROUTER | {"address": "10.1.0.11"}
    (told,) = mistakes(two_clusters(vip="192.0.2.81/32", routers=[near]))
    assert "other1, other2: routers[0].address = 10.1.0.11: this is the address of host1" in told
