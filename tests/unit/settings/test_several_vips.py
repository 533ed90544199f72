"""Several VIPs in one cluster, each with a machine that prefers it; a VIP that is IPv6 alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

import settings
from controller import rendering
from settings import Refused
from settings.run_options import RunOptions
from tasks.change.vip_move_plan import NodeStatus, VipMove, plan_move
from tasks.handover import forwarding
from tasks.keepalived import configuration
from tests.support import fakes
from tests.unit.settings.test_settings import inventory, mistakes

FIRST, SECOND, THIRD = "172.16.12.254", "172.16.12.253", "fd61:1::252"
MORE = {f"{SECOND}/16": "host2", f"{THIRD}/64": "host3"}
THREE: dict[str, dict[str, Any]] = {
    f"host{number}": {
        "ssh_hostname": f"172.16.12.6{number}",
        "address6": f"fd61:1::6{number}",
        "priority": 110 - number,
        "page": f"page {number}",
    }
    for number in (1, 2, 3)
}


def cluster(**group: Any) -> settings.Cluster:
    (found,) = settings.load(inventory(THREE, **{"more_vips": MORE} | group))
    return found


def test_each_vip_has_its_own_line_number_and_label() -> None:
    views = cluster().vips
    assert [[node.name for node in view.nodes] for view in views] == [
        ["host1", "host2", "host3"],
        ["host2", "host1", "host3"],
        ["host3", "host1", "host2"],
    ]
    assert [str(view.vip.ip) for view in views] == [FIRST, SECOND, THIRD]
    assert [view.preferred.virtual_router_id for view in views] == [61, 62, 63]
    assert [view.label(view.preferred) for view in views] == ["eth0:0", "eth0:1", "eth0:2"]
    assert [[node.priority for node in view.nodes] for view in views] == [[109, 108, 107]] * 3
    assert [view.vips for view in views[1:]] == [(views[1],), (views[2],)]


def test_an_order_that_is_in_force_is_each_vips_own() -> None:
    """As where machines run an earlier generation, with other priorities."""
    here = cluster()
    ranks = {
        "host1": {FIRST: 253, SECOND: 254},
        "host2": {FIRST: 228, SECOND: 253},
        "host3": {FIRST: 254},
    }
    there = here.ranked(ranks)
    assert [[node.name for node in view.nodes] for view in there.vips] == [
        ["host3", "host1", "host2"],
        ["host1", "host2", "host3"],
        ["host3", "host1", "host2"],
    ]
    assert [view.vip for view in there.vips] == [view.vip for view in here.vips]
    assert [view.nodes for view in here.ranked({}).vips] == [view.nodes for view in here.vips]


TWO_OF_THREE = {name: THREE[name] for name in ("host1", "host2")}


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"more_vips": {f"{SECOND}/16": ""}}, "name the machine that holds it while all are well"),
        ({"more_vips": {f"{SECOND}/16": "host9"}}, "one of host1, host2"),
        ({"more_vips": [f"{SECOND}/16"]}, "give each further VIP with the machine that holds it"),
        ({"more_vips": {f"{SECOND}/16": None}}, "give each further VIP with the machine"),
        ({"more_vips": {"172.16.12.62/16": "host1"}}, "this is the address of host2 itself"),
        ({"more_vips": {"10.1.2.3/24": "host1"}}, "does not contain the address 172.16.12.61"),
        ({"more_vips": {f"{FIRST}/16": "host2"}}, "give each VIP an address of its own"),
        ({"more_vips": {f"{SECOND}/16": "host2"}, "label": "eth0:1"}, "one of more_vips has it"),
        ({"more_vips": MORE | {f"{THIRD}/64": "host2"}, "virtual_router_id": 254}, "give 253"),
        ({"vip": f"{THIRD}/64", "vrrp_version": 2}, "VRRPv2 has IPv4 addresses only"),
        ({"vip": f"{THIRD}/64", "vip6": "fd61:1::99/64"}, "vip is an IPv6 address already"),
    ],
)
def test_what_cannot_work_is_refused(group: dict[str, Any], said: str) -> None:
    assert any(said in mistake for mistake in mistakes(inventory(TWO_OF_THREE, **group)))


def test_an_ipv6_vip_wants_ipv6_addresses() -> None:
    bare = {name: {**data, "address6": None} for name, data in TWO_OF_THREE.items()}
    (mistake,) = mistakes(inventory(bare, vip=f"{THIRD}/64"))
    assert "give this machine's own in fd61:1::/64" in mistake


def test_a_second_cluster_may_not_have_a_number_that_a_further_vip_takes() -> None:
    data = fakes.defaults()
    other = {"ssh_hostname": "172.16.12.71", "priority": 2, "page": "a"}
    pair = [("a", other), ("b", other | {"ssh_hostname": "172.16.12.72", "priority": 1})]
    from pyinfra.api import Inventory

    both = Inventory(  # type: ignore[no-untyped-call]
        ([*THREE.items(), *pair], data),
        web=(list(THREE.items()), {"vip": f"{FIRST}/16", "more_vips": MORE}),
        other=(pair, {"vip": "172.16.12.250/16", "virtual_router_id": 62}),
    )
    assert any("virtual_router_id = 62" in mistake for mistake in mistakes(both))


@pytest.mark.parametrize(
    ("interface", "given", "labels"),
    [
        ("eth0", None, ["eth0:0", "eth0:1"]),
        ("eth0", "eth0:web", ["eth0:web", "eth0:1"]),
        ("eth0", "", ["", ""]),
        ("interface-no1", None, ["interface-no1:0", "interface-no1:1"]),
        ("interface-no.1", None, ["", ""]),
        ("interface-no.12", None, ["", ""]),
    ],
)
def test_a_label_is_the_interfaces_where_it_fits(
    interface: str, given: str | None, labels: list[str]
) -> None:
    more = {"more_vips": {f"{SECOND}/16": "host2"}, "interface": interface, "label": given}
    whole = cluster(**more)
    assert [view.label(view.preferred) for view in whole.vips] == labels
    for name in ("fast", "classic"):
        text = rendering.render(
            f"keepalived/{name}.conf.j2", node=whole.preferred, cluster=whole, realtime=True
        )
        assert re.findall(r" label (\S+)", text) == [label for label in labels if label]


@pytest.mark.parametrize(
    ("interface", "said"),
    [
        ("eth0", 'give "eth0:" and more, 15 characters at the most; or leave it None'),
        ("interface-no.12", "no label fits behind so long an interface; or leave it None"),
    ],
)
def test_a_label_that_does_not_fit_is_refused(interface: str, said: str) -> None:
    (found,) = mistakes(inventory(interface=interface, label=f"{interface}:a-long-label"))
    assert said in found


def test_two_vips_on_one_machine_are_allowed_and_said() -> None:
    both = cluster(more_vips={f"{SECOND}/16": "host1"})
    (warning,) = settings.warnings(both)
    assert "host1 is preferred for 172.16.12.254, 172.16.12.253" in warning
    assert list(settings.warnings(cluster())) == []


@pytest.mark.parametrize("version", [2, 3])
def test_keepalived_has_an_election_for_each(version: int) -> None:
    more = {f"{SECOND}/16": "host2"} if version == 2 else MORE
    whole = cluster(more_vips=more, vrrp_version=version, nginx_weight=-5, maintenance_weight=-5)
    name = "classic" if version == 2 else "fast"
    text = rendering.render(
        f"keepalived/{name}.conf.j2", node=whole.nodes[1], cluster=whole, realtime=True
    )
    instances = text.split("vrrp_instance ")[1:]
    assert [each.split()[0] for each in instances] == ["VI_1", "VI_2", "VI_3"][: len(instances)]
    form = "/16 dev eth0 label" if version == 2 else "/32 dev eth0 scope host label"
    assert f"{FIRST}{form} eth0:0" in instances[0]
    assert f"{SECOND}{form} eth0:1" in instances[1]
    assert 'notify.sh master"' in instances[0]
    assert f'notify.sh master {SECOND}"' in instances[1]
    lines = [" ".join(each.split()) for each in instances]
    if version == 2:
        assert "state BACKUP" in lines[0] and "state MASTER" in lines[1]
        return
    assert f"{THIRD}/128 dev eth0 preferred_lft 0" in instances[2]
    assert "priority 253" in lines[0] and "priority 254" in lines[1]
    assert "unicast_src_ip fd61:1::62" in lines[2] and "172.16.12" not in lines[2]
    assert "unicast_ttl 255" in lines[2] and "unicast_ttl" not in lines[0]


def test_who_may_speak_is_said_for_each_family() -> None:
    whole = cluster()
    text = configuration.speakers_table(whole.nodes[0], whole)
    four, six = text.split("\ntable ip tandem_vrrp {\n")[1].split("\ntable ip6 tandem_vrrp {\n")
    assert "@th,8,8 61 goto ours" in four and "@th,8,8 62 goto ours" in four
    assert "ip saddr { 172.16.12.62, 172.16.12.63 } ip ttl 255 accept" in four
    assert "@th,8,8 63 goto ours" in six and "61 goto" not in six
    assert "ip6 saddr { fd61:1::63, fd61:1::62 } ip6 hoplimit 255 accept" in six
    # Tracked, adverts pass a firewall that lets in what belongs to a connection, and nothing else.
    assert "notrack" not in text


def test_each_vip_is_handed_over_by_a_table_and_a_beat_of_its_own() -> None:
    whole = cluster()
    found = forwarding.tables(whole.nodes[0], whole)
    assert [(t["name"], t["family"], t["port"]) for t in found] == [
        ("tandem_handover", "ip", 7112),
        ("tandem_handover_2", "ip", 7113),
        ("tandem_handover_3", "ip6", 7114),
    ]
    command = forwarding.command(whole.nodes[0], whole)
    assert f"--vip {SECOND} --port 7113" in command
    assert "--own 172.16.12.61" in command and "--own fd61:1::61" in command


WELL = NodeStatus(holds=frozenset(), drained=False, trouble="")
DOWN = NodeStatus(holds=frozenset(), drained=True, trouble="")


def planned(before: tuple[NodeStatus, ...], **asked: str) -> VipMove:
    standings = {f"host{place}": standing for place, standing in enumerate(before, start=1)}
    return plan_move(cluster(), standings, RunOptions.model_validate(asked))


def test_a_drained_machine_gives_all_its_vips_away_and_gets_its_own_back() -> None:
    plan = planned((WELL, WELL, WELL), drain="host2")
    assert plan.holders == {FIRST: "host1", SECOND: "host1", THIRD: "host3"}
    assert plan.begins == {"host2"}
    back = planned((WELL, DOWN, WELL), undrain="host2")
    assert back.holders == {FIRST: "host1", SECOND: "host2", THIRD: "host3"}
    assert back.wanted("host2") == {SECOND}


@pytest.mark.parametrize("name", THREE)
def test_all_vips_go_to_the_machine_that_was_asked_for(name: str) -> None:
    plan = planned((WELL, WELL, WELL), to=name)
    assert set(plan.holders.values()) == {name}
    assert plan.begins == set(THREE) - {name}


def test_ending_the_drain_of_one_that_stood_back_brings_each_vip_back_to_its_own() -> None:
    aside = NodeStatus(holds=frozenset(), drained=True, trouble="", aside=True)
    back = planned((aside, WELL, aside), undrain="host1")
    assert back.ends == {"host1", "host3"}
    assert back.holders == {FIRST: "host1", SECOND: "host2", THIRD: "host3"}


def test_a_drain_that_would_leave_a_vip_to_a_drained_machine_is_refused() -> None:
    with pytest.raises(Refused, match="No other machine could take the VIP"):
        planned((DOWN, WELL, DOWN), drain="host2")
