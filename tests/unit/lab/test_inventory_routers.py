"""What the lab reads of routers in an inventory, and which of them it cannot stand in for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab import inventory_machines
from lab.errors import LabError
from lab.plan import MachineSpec
from lab.planning import make_plan
from tests.support.fakes import ROOT

ROUTER: dict[str, Any] = {"address": "10.1.0.1", "asn": 64512}


def read(tmp_path: Path, routers: list[dict[str, Any]], **more: Any) -> list[MachineSpec]:
    """Two machines with these routers. `more`: settings of the group; of host2, with `host2_`."""
    second = {name[6:]: value for name, value in more.items() if name.startswith("host2_")}
    group = {name: value for name, value in more.items() if not name.startswith("host2_")}
    hosts = [
        ("host1", {"ssh_hostname": "10.1.0.11", "address6": "fd61:1::11", "page": "one"}),
        ("host2", {"ssh_hostname": "10.1.0.12", "address6": "fd61:1::12", "page": "two"} | second),
    ]
    common = {"spread": "bgp", "vip": "198.51.100.80/32", "asn": 65010, "routers": routers}
    path = tmp_path / "machines.py"
    path.write_text(f"web = ({hosts!r}, {common | group!r})\n")
    return inventory_machines.read(str(path), ROOT).machines


def test_sessions_are_the_inventorys(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("two words\n")
    router = ROUTER | {"password_file": str(tmp_path / "secret"), "bfd": False}
    machines = read(tmp_path, [router], bfd_interval_ms=70, bfd_misses=4)
    assert [machine.network for machine in machines] == ["10.1.0.0/24"] * 2
    (peering,) = machines[1].peerings
    assert json.loads(json.dumps(vars(peering))) == {
        "machine": "host2",
        "address": "10.1.0.12",
        "asn": 65010,
        "router": "10.1.0.1",
        "router_asn": 64512,
        "vips": ["198.51.100.80"],
        "password": "two words",
        "bfd": False,
        "bfd_interval_ms": 70,
        "bfd_misses": 4,
    }
    assert "two words" not in repr(machines)


def test_each_session_is_for_the_vip_of_its_family(tmp_path: Path) -> None:
    six = ROUTER | {"address": "fd61:1::1"}
    machines = read(tmp_path, [ROUTER, six], vip6="2001:db8::80/128")
    assert [(each.address, each.vips) for each in machines[0].peerings] == [
        ("10.1.0.11", ("198.51.100.80",)),
        ("fd61:1::11", ("2001:db8::80",)),
    ]
    assert machines[0].address6 == "fd61:1::11/64"
    assert len(make_plan(ROOT, "machines.py", machines).routers) == 1


def test_the_network_is_wide_enough_for_the_routers_and_common(tmp_path: Path) -> None:
    far = [ROUTER | {"address": "10.1.3.1"}]
    machines = read(tmp_path, [ROUTER], host2_routers=far)
    assert [machine.network for machine in machines] == ["10.1.0.0/22"] * 2


def test_rooms_have_networks_of_their_own(tmp_path: Path) -> None:
    machines = read(
        tmp_path,
        [ROUTER],
        host2_ssh_hostname="10.2.0.12",
        host2_routers=[ROUTER | {"address": "10.2.0.1"}],
    )
    assert [machine.network for machine in machines] == ["10.1.0.0/24", "10.2.0.0/24"]
    plan = make_plan(ROOT, "machines.py", machines)
    assert [router.addresses for router in plan.routers] == [("10.1.0.1/24",), ("10.2.0.1/24",)]


def test_a_router_may_be_on_a_further_interface(tmp_path: Path) -> None:
    cards = {"eth1": "10.20.0.11"}
    machines = read(
        tmp_path,
        [ROUTER | {"address": "10.20.0.1"}],
        more_interfaces=cards,
        host2_more_interfaces={"eth1": "10.20.0.12"},
    )
    assert [machine.network for machine in machines] == ["10.1.0.0/24"] * 2
    assert [machine.peerings[0].address for machine in machines] == ["10.20.0.11", "10.20.0.12"]


@pytest.mark.parametrize(
    ("router", "said"),
    [
        ({"hops": 2}, r"routers\[0\]\.hops = 2: a router of the lab is in the machines' own"),
        ({"address": "192.168.0.1"}, r"address = 192\.168\.0\.1: it is too far from 10\.1\.0\.1"),
        ({"password_file": "/nowhere/at-all"}, r"routers\[0\]\.password_file = "),
    ],
)
def test_what_the_lab_cannot_stand_in_for_is_refused(
    tmp_path: Path, router: dict[str, Any], said: str
) -> None:
    with pytest.raises(LabError, match=f"(?s)nothing was booted:.*{said}"):
        read(tmp_path, [ROUTER | router])


def test_a_router_in_another_ipv6_network_is_refused(tmp_path: Path) -> None:
    six = ROUTER | {"address": "fd61:2::1"}
    with pytest.raises(LabError, match=r"routers\[1\].*the machine has fd61:1::/64"):
        read(tmp_path, [ROUTER, six], vip6="2001:db8::80/128")


def test_other_inventories_have_no_sessions() -> None:
    machines = inventory_machines.read(str(ROOT / "inventory.py"), ROOT).machines
    assert not any(machine.peerings for machine in machines)
