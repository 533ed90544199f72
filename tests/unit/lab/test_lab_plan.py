"""The lab's plan: names and addresses derived from an inventory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab import inventory_machines
from lab.errors import LabError
from lab.plan import LabNetwork, LabPlan, MachineSpec, tag_of
from lab.planning import make_plan, slug

HERE = Path("/home/somebody/tandem")
HOST1 = MachineSpec(
    name="host1",
    address="172.16.12.61",
    network="172.16.0.0/16",
    interface="eth0",
    base="bookworm",
    vips=("172.16.12.254",),
    ntp_server="172.16.0.1",
    smtp_server="172.16.0.1",
    ssh_hostname="172.16.12.61",
    ssh_port=22,
)
HOST2 = replace(HOST1, name="host2", address="172.16.12.62", ssh_hostname="172.16.12.62")


def plan_of(*wanted: MachineSpec) -> LabPlan:
    return make_plan(HERE, "inventory.py", wanted)


def test_machines_have_the_inventorys_addresses_and_interfaces() -> None:
    plan = plan_of(HOST1, replace(HOST2, interface="ens3"))
    assert [(m.name, m.card().addresses, m.card().interface) for m in plan.machines] == [
        ("host1", ("172.16.12.61/16",), "eth0"),
        ("host2", ("172.16.12.62/16",), "ens3"),
    ]
    assert plan.host_names == (("host1", "172.16.12.61"), ("host2", "172.16.12.62"))


def test_the_gateway_is_the_time_server_of_the_inventory() -> None:
    plan = plan_of(HOST1, HOST2)
    assert plan.gateway_addresses == ("172.16.0.1/16",)
    assert {machine.gateway for machine in plan.machines} == {"172.16.0.1"}


def test_another_time_server_in_the_network_is_the_gateway() -> None:
    plan = plan_of(replace(HOST1, ntp_server="172.16.3.4", smtp_server="localhost"))
    assert plan.gateway_addresses == ("172.16.3.4/16",)


def test_servers_that_are_names_lead_to_the_gateway() -> None:
    plan = plan_of(replace(HOST1, ntp_server="time.example.org", smtp_server="mail.example.org"))
    assert plan.gateway_addresses == ("172.16.0.1/16",)
    assert dict(plan.host_names) == {
        "host1": "172.16.12.61",
        "time.example.org": "172.16.0.1",
        "mail.example.org": "172.16.0.1",
    }


def test_a_server_outside_of_the_network_is_an_address_of_the_gateway() -> None:
    plan = plan_of(replace(HOST1, smtp_server="192.0.2.25"))
    assert plan.gateway_addresses == ("172.16.0.1/16", "192.0.2.25/32")


@pytest.mark.parametrize("server", ["", "localhost", "127.0.0.1", "172.16.12.61"])
def test_a_server_on_the_machines_themselves_is_nothing_to_the_gateway(server: str) -> None:
    plan = plan_of(replace(HOST1, ntp_server=server, smtp_server=server))
    assert plan.gateway_addresses == ("172.16.0.1/16",)
    assert dict(plan.host_names) == {"host1": "172.16.12.61"}


def test_the_gateway_takes_no_address_of_a_machine_or_a_vip() -> None:
    first = replace(
        HOST1, address="172.16.0.1", vips=("172.16.0.2",), ntp_server="", smtp_server=""
    )
    assert plan_of(first).gateway_addresses == ("172.16.0.3/16",)


def test_every_network_has_its_gateway() -> None:
    other = replace(HOST2, address="10.0.0.5", network="10.0.0.0/8", vips=("10.0.0.9",))
    plan = plan_of(HOST1, other)
    assert plan.gateway_addresses == ("172.16.0.1/16", "10.0.0.1/8")
    assert [machine.gateway for machine in plan.machines] == ["172.16.0.1", "10.0.0.1"]


def test_labs_of_two_checkouts_share_no_name() -> None:
    one = plan_of(HOST1, HOST2)
    two = make_plan(Path("/home/else/tandem"), "inventory.py", [HOST1, HOST2])
    assert one.tag != two.tag == tag_of(Path("/home/else/tandem"))
    assert one.gateway_netns != two.gateway_netns
    assert not {m.netns for m in one.machines} & {m.netns for m in two.machines}


def test_no_machines_namespace_can_be_the_gateways() -> None:
    plan = plan_of(replace(HOST1, name="gateway"))
    assert plan.machines[0].netns != plan.gateway_netns


@pytest.mark.parametrize(
    "name", ["lan", "lan2", "lo", "a-name-of-more-than-15-characters", "web/1"]
)
def test_a_name_that_no_interface_can_have_gets_a_numbered_port(name: str) -> None:
    assert plan_of(replace(HOST1, name=name)).machines[0].card().port == "port0"


def test_names_become_fit_for_paths_and_stay_distinct() -> None:
    assert slug("@ssh/web_1.example.org") == "ssh-web-1.example.org"
    assert slug("..") == "machine"
    plan = plan_of(replace(HOST1, name="web_1"), replace(HOST2, name="web-1"))
    assert [machine.slug for machine in plan.machines] == ["web-1", "web-1-1"]


def test_cards_keep_their_own_local_address() -> None:
    macs = [machine.card().mac for machine in plan_of(HOST1, HOST2).machines]
    assert macs == [machine.card().mac for machine in plan_of(HOST1, HOST2).machines]
    assert len(set(macs)) == 2
    assert all(int(mac[:2], 16) & 0b11 == 0b10 for mac in macs)


def test_with_ipv6_the_gateway_has_the_first_address_that_is_free() -> None:
    first = replace(HOST1, address6="fd61:1::1/64", vips=("172.16.12.254", "fd61:1::2"))
    plan = plan_of(
        first, replace(HOST2, address6="fd61:1::62/64", vips=("172.16.12.254", "fd61:1::2"))
    )
    assert plan.gateway_addresses == ("172.16.0.1/16", "fd61:1::3/64")
    routers = [machine.card().routers for machine in plan.machines]
    assert routers == [("172.16.0.1", "fd61:1::3")] * 2


def with_more(spec: MachineSpec, **more: tuple[str, ...]) -> MachineSpec:
    return replace(spec, more_interfaces=tuple(more.items()))


def test_each_further_network_is_a_bridge_of_its_own_with_the_gateway_in_it() -> None:
    plan = plan_of(
        with_more(HOST1, eth1=("10.20.0.1/24", "fd62:1::61/64"), eth2=("10.30.0.61/24",)),
        with_more(HOST2, ens5=("10.20.0.62/24",), ens4=("172.16.12.63/16",)),
    )
    assert plan.networks == (
        LabNetwork("lan", ("172.16.0.1/16",)),
        LabNetwork("lan2", ("10.20.0.2/24", "fd62:1::1/64")),
        LabNetwork("lan3", ("10.30.0.1/24",)),
    )
    one, two = ({card.interface: card for card in machine.cards} for machine in plan.machines)
    assert {name: card.bridge for name, card in one.items()} == {
        **{"eth0": "lan", "eth1": "lan2", "eth2": "lan3"}
    }
    assert {name: card.bridge for name, card in two.items()} == {
        **{"eth0": "lan", "ens5": "lan2", "ens4": "lan"}
    }
    # Only the first leads anywhere else.
    assert [card.routers for card in one.values()] == [("172.16.0.1",), (), ()]
    assert LabPlan.from_json(plan.to_json()) == plan


def test_every_card_has_its_own_port_and_mac() -> None:
    long = "a-long-name.of-a-host"
    plan = plan_of(
        with_more(HOST1, eth1=("10.20.0.61/24",)),
        with_more(replace(HOST2, name=long), eth1=("10.20.0.62/24",)),
    )
    cards = [card for machine in plan.machines for card in machine.cards]
    assert [card.port for card in cards] == ["host1", "host1+eth1", "port1", "port1+2"]
    assert len({card.mac for card in cards}) == 4


def test_an_interface_that_a_machine_has_not_is_refused_with_those_it_has() -> None:
    machine = plan_of(with_more(HOST1, eth1=("10.20.0.61/24",))).machines[0]
    assert machine.card("eth1").addresses == ("10.20.0.61/24",)
    with pytest.raises(LabError, match="host1 has no interface eth7; it has eth0, eth1"):
        machine.card("eth7")


def test_a_plan_survives_its_file() -> None:
    plan = plan_of(HOST1, replace(HOST2, ntp_server="time.example.org"))
    assert LabPlan.from_json(plan.to_json()) == plan


def test_the_same_inventory_read_again_is_the_same_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    machines = inventory_machines.read("inventory.py", Path.cwd()).machines
    plan = make_plan(HERE, "inventory.py", machines)
    assert LabPlan.from_json(plan.to_json()) == plan


def test_names_of_upstreams_are_known_as_nginx_resolves_them_when_it_starts() -> None:
    servers = ("app.internal:8080", "10.0.0.11:8080", "[fd61:1::9]:8080", "localhost:80")
    plan = plan_of(replace(HOST1, upstreams=servers), HOST2)
    assert dict(plan.host_names)["app.internal"] == "172.16.0.1"
    assert {name for name, _ in plan.host_names} == {"host1", "host2", "app.internal"}
    assert LabPlan.from_json(plan.to_json()) == plan


def test_a_network_without_room_for_a_router_is_refused() -> None:
    first = replace(HOST1, network="172.16.12.60/30", vips=("172.16.12.62",))
    with pytest.raises(LabError, match=r"172\.16\.12\.60/30 has no address left"):
        plan_of(first)
