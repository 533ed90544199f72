"""What nodes are called in the mesh: it is theirs, whoever else is there."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest

from settings.network.mesh_addresses import addresses, mac

ROOMS = ["10.1.0.11", "10.1.0.12", "10.2.0.11", "10.2.0.12"]


def test_a_card_is_made_from_the_nodes_own_address() -> None:
    assert mac("172.16.12.61") == mac(IPv4Address("172.16.12.61")) == "02:74:ac:10:0c:3d"
    assert len(set(map(mac, ROOMS))) == len(ROOMS)


@pytest.mark.parametrize("version", [4, 6])
def test_every_node_has_a_link_local_address_of_its_own(version: int) -> None:
    owns = [*ROOMS, "10.3.0.0", "10.3.0.255", "10.3.0.254", "10.4.0.254"]
    found = addresses(owns, version)
    assert set(found) == set(owns)
    assert len(set(found.values())) == len(owns)
    assert all(ip_address(each).is_link_local for each in found.values())
    assert all(ip_address(each).version == version for each in found.values())
    assert all(str(ip_address(each)) == each for each in found.values()), "as ip shows them"
    assert addresses(owns[::-1], version) == found, "whatever their order"


def test_who_comes_or_goes_changes_nobody_elses() -> None:
    before = addresses(["172.16.12.62", "172.16.12.63"], 4)
    after = addresses(["172.16.12.61", "172.16.12.62", "172.16.12.63"], 4)
    assert before.items() <= after.items()
    assert before["172.16.12.62"] == "169.254.71.62"
