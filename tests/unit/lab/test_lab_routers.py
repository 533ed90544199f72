"""The lab's routers: derived from machines' peerings, and what their BIRDs are told."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab import cli
from lab.errors import LabError
from lab.gateway import bird, router_config, routing
from lab.paths import State
from lab.plan import ClientNetwork, LabPlan, MachineSpec, Peering
from lab.twin import Lab
from tests.unit.lab.test_lab_plan import HOST1, HOST2, plan_of

VIP, VIP6 = "198.51.100.80", "2001:db8::80"
HOST3 = replace(HOST1, name="host3", address="172.16.12.63", ssh_hostname="172.16.12.63")


def announcing(spec: MachineSpec, *routers: str, asn: int = 64512, **more: object) -> MachineSpec:
    """The machine, with a session with each of the routers."""
    number = spec.address.rpartition(".")[2]
    address6 = f"fd61:1::{number}/64"
    peerings = [
        Peering(
            machine=spec.name,
            address=f"fd61:1::{number}" if ":" in router else spec.address,
            asn=65010,
            router=router,
            router_asn=asn,
            vips=(VIP6,) if ":" in router else (VIP,),
            **more,  # type: ignore[arg-type]
        )
        for router in routers
    ]
    return replace(spec, vips=(VIP, VIP6), address6=address6, peerings=(*spec.peerings, *peerings))


def pair(*routers: str, **more: object) -> LabPlan:
    return plan_of(*(announcing(spec, *routers, **more) for spec in (HOST1, HOST2)))  # type: ignore[arg-type]


def clients(plan: LabPlan) -> ClientNetwork:
    assert plan.client_network is not None
    return plan.client_network


def test_without_peerings_there_is_neither_router_nor_clients_network() -> None:
    plan = plan_of(HOST1, HOST2)
    assert (plan.routers, plan.client_network) == ((), None)


def test_a_router_has_its_addresses_in_the_machines_network_and_the_gateway_another() -> None:
    plan = pair("172.16.0.1")
    (router,) = plan.routers
    assert router.addresses == router.card().addresses == ("172.16.0.1/16",)
    assert (router.bridge, router.asn, router.netns) == ("lan", 64512, f"{plan.tag}.router1")
    assert [peer.address for peer in router.peers] == ["172.16.12.61", "172.16.12.62"]
    # Though the inventory's time server is that address: a router only forwards.
    assert plan.gateway_addresses == ("172.16.0.2/16", "fd61:1::1/64")
    assert LabPlan.from_json(plan.to_json()) == plan


def test_clients_have_addresses_of_their_own_behind_the_routers() -> None:
    plan = pair("172.16.0.1", "172.16.0.2")
    assert clients(plan).gateway_addresses == ("198.18.0.1/25",)
    assert len(clients(plan).sources) == 32
    every = [*clients(plan).gateway_addresses, *(r.cards[1].addresses[0] for r in plan.routers)]
    plain = [*(each.partition("/")[0] for each in every), *clients(plan).sources]
    assert len(set(plain)) == 1 + 2 + 32
    assert all(ip_address(each) in ip_network("198.18.0.0/25") for each in plain)


def test_with_ipv6_they_have_as_many_of_it() -> None:
    plan = pair("172.16.0.1", "fd61:1::1")
    assert len(clients(plan).sources) == 64
    assert plan.routers[0].card("clients").addresses == ("198.18.0.2/25", "2001:2::2/64")


def test_the_clients_network_has_nothing_of_the_inventorys() -> None:
    taken = replace(HOST1, ntp_server="198.18.0.200", smtp_server="198.18.1.1")
    plan = plan_of(announcing(taken, "172.16.0.1"))
    assert clients(plan).gateway_addresses[0] == "198.18.0.1/25"
    taken = replace(taken, smtp_server="198.18.0.100")
    plan = plan_of(announcing(taken, "172.16.0.1"))
    assert clients(plan).gateway_addresses[0] == "198.18.1.1/25"


def test_the_gateways_number_is_nobody_elses() -> None:
    assert clients(pair("172.16.0.1")).asn == 65536
    assert clients(pair("172.16.0.1", asn=65536)).asn == 65537


def test_addresses_of_both_families_are_one_routers_in_their_order() -> None:
    plan = pair("172.16.0.1", "172.16.0.2", "fd61:1::1", "fd61:1::2")
    assert [router.known_as for router in plan.routers] == [
        ("router1", "172.16.0.1", "fd61:1::1"),
        ("router2", "172.16.0.2", "fd61:1::2"),
    ]
    assert [len(router.peers) for router in plan.routers] == [4, 4]


def test_addresses_in_different_systems_are_different_routers() -> None:
    plan = plan_of(announcing(announcing(HOST1, "172.16.0.1"), "fd61:1::1", asn=64513))
    assert [(router.asn, len(router.addresses)) for router in plan.routers] == [
        *((64512, 1), (64513, 1))
    ]


def test_machines_in_two_rooms_have_routers_of_their_own() -> None:
    other = replace(HOST3, address="10.1.0.11", network="10.1.0.0/24", ssh_hostname="10.1.0.11")
    other = replace(announcing(other, "10.1.0.1"), address6="")
    plan = plan_of(replace(announcing(HOST1, "172.16.0.1"), address6=""), other)
    assert [(r.addresses, [p.machine for p in r.peers]) for r in plan.routers] == [
        *((("172.16.0.1/16",), ["host1"]), (("10.1.0.1/24",), ["host3"]))
    ]


def test_a_router_on_a_further_interface_is_on_that_wire() -> None:
    spec = replace(HOST1, more_interfaces=(("eth1", ("10.20.0.61/24",)),))
    plan = plan_of(announcing(spec, "10.20.0.1"))
    assert (plan.routers[0].bridge, plan.routers[0].addresses) == ("lan2", ("10.20.0.1/24",))
    assert "10.20.0.2/24" in plan.gateway_addresses


def test_a_router_in_no_machines_network_is_refused() -> None:
    with pytest.raises(LabError, match=r"192\.0\.2\.1 is in no network of the machines"):
        pair("192.0.2.1")


def test_no_machines_port_can_be_a_routers() -> None:
    plan = plan_of(announcing(replace(HOST1, name="router1"), "172.16.0.1"))
    cards = (*plan.machines[0].cards, *plan.routers[0].cards)
    ports = {card.port for card in cards}
    assert len(ports) == 3 and all(len(port) <= 15 for port in ports)
    assert plan.routers[0].netns != plan.machines[0].netns


# --- what BIRD is told -------------------------------------------------------------------------


def blocks(text: str) -> dict[str, str]:
    """By name, every protocol of a configuration."""
    return dict(re.findall(r"^protocol \w+ (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))


def test_a_machine_may_announce_its_vips_and_nothing_else() -> None:
    plan = pair("172.16.0.1", "fd61:1::1", password="two words", bfd_interval_ms=70, bfd_misses=4)
    text = router_config.of_router(plan.routers[0], clients(plan))
    four, six = blocks(text)["node_1"], blocks(text)["node_2"]
    assert "local 172.16.0.1 as 64512;\n    neighbor 172.16.12.61 as 65010;" in four
    assert "neighbor fd61:1::61 as 65010;" in six
    assert f"net !~ [ {VIP}/32 ] then reject" in four and f"[ {VIP6}/128 ]" in six
    assert "ipv6" not in four and "ipv4" not in six
    for each in (four, six):
        assert 'password "two words";' in each and "ttl security;" in each
        assert "bfd { interval 70 ms; multiplier 4; };" in each
        assert "export none;" in each


def test_without_password_and_bfd_none_is_written() -> None:
    plan = pair("172.16.0.1", bfd=False)
    node = blocks(router_config.of_router(plan.routers[0], clients(plan)))["node_1"]
    assert "password" not in node and "bfd" not in node


def test_routes_of_equal_rank_share_what_comes() -> None:
    plan = pair("172.16.0.1", "172.16.0.2")
    gateway = router_config.of_gateway(plan.routers, clients(plan))
    for text in (router_config.of_router(plan.routers[0], clients(plan)), gateway):
        assert "merge paths on" in blocks(text)["kernel_ipv4"]
        assert "kernel_ipv6" not in blocks(text)
    assert "neighbor 198.18.0.3 as 64512;" in blocks(gateway)["router2"]


def test_what_apt_would_install_is_unpacked_and_bird_in_any_case() -> None:
    plan = "Inst libssh-gcrypt-4 (0.10.6 Debian:12 [amd64])\nInst bird2 (2.0.12)\nConf bird2 (2)\n"
    assert bird.to_unpack(plan) == ["bird2", "libssh-gcrypt-4"]
    assert bird.to_unpack("") == ["bird2"]


def test_a_bird_of_another_version_is_not_this_machines_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bird", "birdcl"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'BIRD version 1.6.8' >&2\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    assert bird.path("bird") == "/nowhere/tandem/lab/bird/usr/sbin/bird"
    (tmp_path / "bird").write_text("#!/bin/sh\necho 'BIRD version 2.0.12' >&2\n")
    assert bird.path("bird") == str(tmp_path / "bird")


SHOWN = """\
BIRD 2.0.12 ready.
Name       Proto      Table      State  Since         Info
device1    Device     ---        up     23:09:47.294
node_1     BGP        ---        up     23:10:17.874  Established
node_2     BGP        ---        start  23:10:18.001  Passive
node_3     BGP        ---        start  23:10:18.001  Active        Socket: No route to host
node_4     BGP        ---        down   23:10:18.001
"""


def test_the_state_of_each_session_is_read() -> None:
    found = routing.protocol_states(SHOWN)
    assert found["node_1"] == "Established" and found["node_2"] == "Passive"
    assert found["node_3"].startswith("Active") and found["node_4"] == "down"
    assert "Name" not in found and found["device1"] == "up"


# --- what a person types -----------------------------------------------------------------------


@pytest.mark.parametrize("named", ["router2", "172.16.0.2", "fd61:1::2"])
@pytest.mark.parametrize(("words", "which"), [((), "nodes"), (("clients",), "clients")])
def test_a_routers_cable_is_pulled_by_its_name_or_address(
    named: str, words: tuple[str, ...], which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[tuple[str, str, bool]] = []
    lab = Lab(State(Path("/nowhere")), pair("172.16.0.1", "172.16.0.2", "fd61:1::1", "fd61:1::2"))
    monkeypatch.setattr(cli, "load", lambda: lab)
    monkeypatch.setattr(
        "lab.gateway.routing.plug",
        lambda plan, router, interface, plugged: did.append(
            (router.name, router.card(interface).interface, plugged)
        ),
    )
    for verb in ("unplug", "plug"):
        assert CliRunner().invoke(cli.app, [verb, named, *words]).exit_code == 0
    assert did == [("router2", which, False), ("router2", which, True)]


def test_a_machine_called_as_a_router_is_is_meant_itself() -> None:
    lab = Lab(
        State(Path("/nowhere")), plan_of(announcing(replace(HOST1, name="router1"), "172.16.0.1"))
    )
    with pytest.raises(LabError, match="router1 has no interface clients; it has eth0"):
        lab.unplug("router1", "clients")


def test_routers_that_are_not_there_are_answered_with_those_that_are() -> None:
    lab = Lab(State(Path("/nowhere")), pair("172.16.0.1", "172.16.0.2"))
    assert lab.router().name == "router1"
    with pytest.raises(LabError, match=r"no router x .* router1 or 172\.16\.0\.1, router2 or"):
        lab.router("x")
    with pytest.raises(LabError, match="The lab has no routers"):
        Lab(State(Path("/nowhere")), plan_of(HOST1)).router()
    with pytest.raises(LabError, match=r"router x in .* host1, host2, router1, 172\.16\.0\.1"):
        lab.unplug("x")
    with pytest.raises(LabError, match="no machine x in the lab; there are host1"):
        Lab(State(Path("/nowhere")), plan_of(HOST1)).unplug("x")


def test_a_router_is_shown_in_a_line() -> None:
    (router,) = pair("172.16.0.1").routers
    status = routing.RouterStatus(
        router=router,
        runs=True,
        resilient=False,
        unplugged=(),
        sessions=(("host1", "172.16.12.61", "Established"), ("host2", "172.16.12.62", "Passive")),
    )
    assert cli.router_line(status) == (
        "router1  172.16.0.1/16, AS 64512: plugged; 1 of 2 sessions established (host2 Passive)"
    )
    assert "not running" in cli.router_line(replace(status, runs=False))
    assert cli.router_line(replace(status, resilient=True)).endswith("; resilient")
    assert "unplugged[/]: nodes" in cli.router_line(replace(status, unplugged=("nodes",)))
