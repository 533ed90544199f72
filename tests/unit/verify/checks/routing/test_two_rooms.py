"""A routed cluster in two rooms: what holds within one network is asked for within each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

import settings
from settings import Cluster
from tests.support import fakes
from tests.support.snapshots import ROUTED, Spoiled
from verify.checks.check import Answer, Outcome
from verify.observe import route_probes

# Each room has a network and a router.
ROOMS = {
    **{f"host{n}": (f"10.1.0.1{n}", "10.1.0.1", "10.1.0.0") for n in (1, 2)},
    **{f"host{n}": (f"10.2.0.1{n}", "10.2.0.1", "10.2.0.0") for n in (3, 4)},
}
END = "\n\n(end)"


@cache
def cluster() -> Cluster:
    hosts = {
        name: {
            "ssh_hostname": own,
            "interface": "eth0",
            "page": name,
            "routers": [{"address": router, "asn": 64512}],
        }
        for name, (own, router, _) in ROOMS.items()
    }
    group: dict[str, Any] = {"spread": "bgp", "vip": "192.0.2.80/32", "asn": 65010}
    (found,) = settings.load(fakes.inventory(hosts, **group))
    return found


def _link(name: str, **changed: Any) -> list[dict[str, Any]]:
    own, _, _ = ROOMS[name]
    address = {
        **{"family": "inet", "local": changed.get("own", own), "scope": "global"},
        **{"prefixlen": changed.get("prefix", 24), "valid_life_time": 2**32 - 1},
    }
    return [
        {
            **{"ifname": "eth0", "flags": ["UP", "LOWER_UP"], "mtu": changed.get("mtu", 1500)},
            "address": changed.get("mac", f"02:00:00:00:00:0{name[-1]}"),
            "addr_info": [address],
        }
    ]


def _routes(name: str, by: Mapping[str, str]) -> str:
    """The ways to the others, of those in the other room by a router."""
    mine, router, network = ROOMS[name]
    node = next(each for each in cluster().nodes if each.name == name)
    found = []
    for to in route_probes.destinations(node, cluster()):
        near = any(own == str(to) and its == network for own, _, its in ROOMS.values())
        way = {"dst": str(to), "dev": "eth0", "prefsrc": mine} | (
            {} if near else {"gateway": router}
        )
        found.append(json.dumps([way | ({"dev": by[str(to)]} if str(to) in by else {})]))
    return "\n".join(found)


def rooms(
    changed: Mapping[str, dict[str, Any]] | None = None, by: Mapping[str, str] | None = None
) -> Spoiled:
    """Four machines that are well, but for what is changed of a machine's interface; `by`: the
    interfaces by which host1 reaches others."""
    spoiled = Spoiled(ROUTED)
    spoiled.data["clusters"] = [json.loads(cluster().model_dump_json())]
    sections = spoiled.data["looks"]["host1"]["sections"]
    spoiled.data["looks"] = {}
    for name, (_, _, network) in ROOMS.items():
        said = {
            "addresses": json.dumps(_link(name, **(changed or {}).get(name, {}))),
            "neighbours": json.dumps(
                [
                    {
                        "dst": own,
                        "dev": "eth0",
                        "lladdr": "02:00:00:00:00:09",
                        "state": ["REACHABLE"],
                    }
                    for other, (own, _, its) in ROOMS.items()
                    if its == network and other != name
                ]
            ),
            "routes": _routes(name, by or {} if name == "host1" else {}),
            "identity": sections["identity"]["text"]
            .removesuffix(END)
            .replace("host1", name)
            .replace("machine-id ", f"machine-id {name[-1]}"),
        }
        spoiled.data["looks"][name] = {
            "host": name,
            "sections": {
                probe: {"command": probe, "status": 0, "text": f"{text}{END}"}
                for probe, text in said.items()
            },
        }
    return spoiled


def answers(spoiled: Spoiled, check: str) -> dict[str | None, Answer]:
    return {f.host: f.answer for f in spoiled.judge(only=check).findings if f.id == check}


def test_two_rooms_are_well() -> None:
    for check in ("X-19", "NET-04"):
        found = answers(rooms(), check)
        assert {its.outcome for its in found.values()} == {Outcome.OK}, found


def test_rooms_may_have_different_mtus_and_prefixes_and_the_same_cards() -> None:
    other = {name: {"mtu": 9000, "prefix": 25} for name in ("host3", "host4")}
    (found,) = answers(rooms(other), "X-19").values()
    assert (found.outcome, found.actual) == (Outcome.OK, "MTU 1500, MTU 9000")


FAULTS: dict[str, tuple[dict[str, dict[str, Any]], str]] = {
    "MTU": ({"host4": {"mtu": 9000}}, "MTU: host3 1500, host4 9000"),
    "prefix": ({"host2": {"prefix": 16}}, "prefix: host1 /24, host2 /16"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_within_a_room_they_have_to_be_alike(fault: str) -> None:
    changed, words = FAULTS[fault]
    (found,) = answers(rooms(changed), "X-19").values()
    assert (found.outcome, found.actual) == (Outcome.FAIL, words)


def test_cards_are_unique_within_a_room() -> None:
    same = {"mac": "02:00:00:00:00:77"}
    told: Callable[[Answer], bool] = lambda its: "have the MAC 02:00:00:00:00:77" in its.actual  # noqa: E731
    (found,) = answers(rooms({"host3": same, "host4": same}), "X-22").values()
    assert told(found) and found.outcome is Outcome.FAIL
    (found,) = answers(rooms({"host1": same, "host4": same}), "X-22").values()
    assert not told(found)


def test_who_is_in_the_same_room_is_reached_without_a_router() -> None:
    spoiled = rooms()
    spoiled.answer("host1", "neighbours", "[]")
    (found,) = answers(spoiled, "X-19").values()
    assert found.actual == "host1 does not reach host2"


def test_the_way_to_the_other_room_may_begin_at_another_interface() -> None:
    found = answers(rooms(by={"10.2.0.13": "eth1"}), "NET-04")["host1"]
    assert found.outcome is Outcome.OK
    found = answers(rooms(by={"10.1.0.12": "eth1"}), "NET-04")["host1"]
    assert (found.outcome, found.actual) == (Outcome.FAIL, "to 10.1.0.12 by eth1")
