"""Where VIPs, and VRRP, are on several interfaces: each is looked at, and where it is to be."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

import settings
from settings import Cluster
from tests.support import fakes
from tests.support.snapshots import TWO_NETWORKS, Spoiled
from verify.checks.check import Outcome
from verify.observe import route_probes, vrrp_probes

FIRST, SECOND = "web", "web 10.20.0.254"


@cache
def cluster(vrrp: str | None = "eth1") -> Cluster:
    hosts = {
        f"host{number}": {
            "ssh_hostname": f"172.16.12.6{number}",
            "priority": 102 - number,
            "page": "x",
            "more_interfaces": {f"eth{number}": f"10.20.0.6{number}"},
            "vrrp_interface": vrrp and f"eth{number}",
        }
        for number in (1, 2)
    }
    (found,) = settings.load(fakes.inventory(hosts, more_vips={"10.20.0.254/24": "host2"}))
    return found


def test_all_are_well() -> None:
    verdict = Spoiled(TWO_NETWORKS).judge()
    assert verdict.passed, [
        finding for finding in verdict.findings if finding.outcome != Outcome.OK
    ]
    assert {finding.cluster for finding in verdict.findings} == {FIRST, SECOND}


def _of(host: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Spoiled], Spoiled]:
    return lambda spoiled: spoiled.link(host, change, "eth1")


def _without(address: str) -> Callable[[dict[str, Any]], None]:
    def change(link: dict[str, Any]) -> None:
        kept = [each for each in link["addr_info"] if each["local"] != address]
        assert len(kept) == len(link["addr_info"]) - 1
        link["addr_info"] = kept

    return change


def _another_prefix(link: dict[str, Any]) -> None:
    own = next(each for each in link["addr_info"] if each["local"] == "10.20.0.61")
    own["prefixlen"] = 16


def _moved(spoiled: Spoiled) -> Spoiled:
    """host2 has the second VIP on eth0."""
    found: list[dict[str, Any]] = []

    def take(link: dict[str, Any]) -> None:
        found.extend(each for each in link["addr_info"] if each["local"] == "10.20.0.254")
        link["addr_info"].remove(found[0])

    spoiled.link("host2", take, "eth1")
    return spoiled.link("host2", lambda link: link["addr_info"].append(found[0]))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(
            _of("host2", lambda link: link["flags"].remove("LOWER_UP")), {"NET-03"}, id="link"
        ),
        # host1 is the standby of the second VIP, host2 that of the first.
        pytest.param(
            _of("host1", lambda link: link["flags"].remove("LOWER_UP")),
            {"NET-03", "X-21"},
            id="standby",
        ),
        pytest.param(_of("host1", _without("10.20.0.61")), {"NET-05"}, id="own address"),
        pytest.param(_of("host1", lambda link: link.update(mtu=1400)), {"X-19"}, id="MTU"),
        pytest.param(_of("host1", _another_prefix), {"NET-05", "X-19"}, id="prefix"),
        pytest.param(_moved, {"NET-01"}, id="VIP on another interface"),
        pytest.param(
            lambda s: s.replace(
                "host1", "handover_sysctls", "eth1/arp_ignore:1", "eth1/arp_ignore:0"
            ),
            {"HO-03"},
            id="ARP",
        ),
        pytest.param(
            lambda s: s.replace("host1", "routes", '"dev":"eth1"', '"dev":"eth0"'),
            {"NET-04"},
            id="way",
        ),
        pytest.param(
            lambda s: s.replace(
                "host1", "routes", '"prefsrc":"10.20.0.61"', '"prefsrc":"10.20.0.7"'
            ),
            {"NET-04"},
            id="source",
        ),
        pytest.param(
            lambda s: s.replace("host1", "speakers_table", '"eth1"', '"eth0"'),
            {"SYS-04"},
            id="filter",
        ),
        pytest.param(
            lambda s: s.replace("host1", "speakers_table", "10.20.0.62", "172.16.12.62"),
            {"SYS-04"},
            id="speakers",
        ),
        # Its own address beside the VIP is nothing that it may speak VRRP from.
        pytest.param(
            lambda s: s.add("host1", "heard", "vrrp 172.16.12.62 3 61 100"), {"X-18"}, id="stranger"
        ),
        pytest.param(
            lambda s: s.replace(
                "host2", "keepalived_conf", "        10.20.0.61", "        172.16.12.61", 1
            ),
            {"X-20"},
            id="peers",
        ),
    ],
)
def test_what_is_wrong_in_one_network_is_found(
    spoil: Callable[[Spoiled], Spoiled], expected: set[str]
) -> None:
    verdict = spoil(Spoiled(TWO_NETWORKS)).judge()
    found = {finding.id for finding in verdict.findings if finding.outcome is Outcome.FAIL}
    assert expected <= found


def test_names_and_addresses_of_every_interface_are_a_machines_own() -> None:
    """host2 calls its interface otherwise: what differs in keepalived.conf has to."""
    spoiled = Spoiled(TWO_NETWORKS).replace("host2", "keepalived_conf", "eth1", "ens5")
    for node in spoiled.data["clusters"][0]["nodes"]:
        if node["name"] == "host2":
            node["more_interfaces"] = [["ens5", ["10.20.0.62"]]]
            node["vrrp_interface"] = "ens5"
    assert "X-12" not in {f.id for f in spoiled.judge().findings if f.outcome is Outcome.FAIL}


def test_a_network_is_every_nodes_interface_there() -> None:
    first, second = cluster().networks
    assert {name: each.name for name, each in first.items()} == {"host1": "eth0", "host2": "eth0"}
    assert {name: each.name for name, each in second.items()} == {"host1": "eth1", "host2": "eth2"}
    assert cluster(None).networks == cluster().networks


def test_a_machine_is_asked_its_way_in_each_network() -> None:
    node = cluster().preferred
    found = route_probes.ways(node, cluster())
    assert {str(to): (way.interface, str(way.source)) for to, way in found.items()} == {
        "172.16.12.62": ("eth0", "172.16.12.61"),
        "10.20.0.62": ("eth1", "10.20.0.61"),
    }


@pytest.mark.parametrize(
    ("vrrp", "first", "second"),
    [
        (
            "eth1",
            "eth0 172.16.12.61 172.16.12.254 0.35 eth1",
            "eth1 10.20.0.61 10.20.0.254 0.35",
        ),
        (None, "eth0 172.16.12.61 172.16.12.254 0.35", "eth1 10.20.0.61 10.20.0.254 0.35"),
    ],
)
def test_adverts_are_listened_to_where_they_are_spoken(
    vrrp: str | None, first: str, second: str
) -> None:
    found = cluster(vrrp)
    for view, words in zip(found.vips, (first, second), strict=True):
        bundle = vrrp_probes.listen(found.preferred, view)
        (probe,) = bundle.probes
        assert f"perl - {words} <" in probe.shown
