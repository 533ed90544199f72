"""The networks in which all machines are, and which address there can be the VIP."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from first_inventory import shared_networks, vip_choice
from first_inventory.findings import MachineFindings, own_addresses
from first_inventory.given_answers import WrongAnswer
from tests.support.found_machines import found, pair

DOCKER = "docker0 172.17.0.1/16"


def chosen(text: str, machines: list[MachineFindings]) -> str:
    return str(vip_choice.chosen(text, shared_networks.shared(machines), machines).vip)


def networks(machines: list[MachineFindings]) -> list[str]:
    return [str(each.network) for each in shared_networks.shared(machines)]


def two(*own: str, other: tuple[str, ...] = (), host: str = "a") -> list[MachineFindings]:
    return [found(host, *own), found("b", *other)]


def test_the_network_of_ssh_comes_before_others_and_one_inside_each_machine_is_none() -> None:
    machines = [
        found("10.20.0.11", DOCKER, "eth1 192.168.9.1/24", "ens18 10.20.0.11/24"),
        found("10.20.0.12", DOCKER, "eth1 192.168.9.2/24", "ens18 10.20.0.12/24"),
    ]
    assert networks(machines) == ["10.20.0.0/24", "192.168.9.0/24"]


def test_without_an_address_the_way_to_elsewhere_says_which_network_comes_first() -> None:
    machines = two(
        "eth1 192.168.9.1/24",
        "ens18 10.20.0.11/24",
        other=("eth1 192.168.9.2/24", "ens18 10.20.0.12/24"),
    )
    assert networks(machines) == ["10.20.0.0/24", "192.168.9.0/24"]


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("e 10.1.0.1/24", "e 10.1.0.2/16", "b has 10.1.0.2/16 (e): one network, two prefixes"),
        ("e 10.1.0.1/24", "e 10.2.0.2/24", "only between machines that have their own in one"),
        ("e 10.1.0.1/32", "e 10.1.0.2/32", "networks = 'none'"),
    ],
)
def test_machines_without_a_common_network_are_told_why(one: str, other: str, said: str) -> None:
    machines = two(one, other=(other,))
    assert networks(machines) == []
    assert said in "\n".join(map(str, shared_networks.apart(machines)))


@pytest.mark.parametrize("text", ["10.20.0.10", "10.20.0.10/24", " 10.20.0.10 "])
def test_an_address_has_the_prefix_of_the_machines(text: str) -> None:
    assert chosen(text, pair()) == "10.20.0.10/24"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.20.0", "is no address"),
        ("fd61::1", "IPv6"),
        ("10.21.0.10", "in no network of all machines; give one of 10.20.0.0/24"),
        ("10.20.0.10/16", "give 10.20.0.10/24"),
        ("10.20.0.12", "is 10.20.0.12's own address"),
        ("10.20.0.1", "is the gateway's"),
        ("10.20.0.255", "broadcast"),
        ("10.20.0.0", "of the network 10.20.0.0/24 itself"),
    ],
)
def test_an_address_that_cannot_move_is_refused(text: str, said: str) -> None:
    with pytest.raises(WrongAnswer) as refused:
        chosen(text, pair())
    assert said in str(refused.value)


def test_what_a_machine_carries_beside_its_own_is_said_to_be_there() -> None:
    machines = [
        found("10.20.0.11", "ens18 10.20.0.11/24", "ens18 10.20.0.10/24"),
        found("10.20.0.12"),
    ]
    with pytest.raises(WrongAnswer, match=r"on 10\.20\.0\.11 already"):
        chosen("10.20.0.10", machines)


def test_the_candidates_are_near_the_first_machine_and_nobodys() -> None:
    machines = [
        found("172.16.12.61", "eth0 172.16.12.61/16", "eth0 172.16.12.253/16"),
        found("172.16.12.254", "eth0 172.16.12.254/16"),
    ]
    (network,) = shared_networks.shared(machines)
    found_free = vip_choice.candidates(machines, network)
    assert found_free[:2] == [IPv4Address("172.16.12.252"), IPv4Address("172.16.12.251")]
    assert len(found_free) == vip_choice.CANDIDATES


def test_the_ends_of_a_large_network_are_no_candidates() -> None:
    machines = two("eth0 10.0.255.1/16", other=("eth0 10.0.255.2/16",))
    (network,) = shared_networks.shared(machines)
    assert IPv4Address("10.0.255.255") not in vip_choice.candidates(machines, network)


def test_an_address_for_which_somebody_answers_is_taken() -> None:
    machines = pair()
    choice = vip_choice.chosen("10.20.0.10", shared_networks.shared(machines), machines)
    vip_choice.refuse_taken(choice, {"10.20.0.11": "02:00"})
    with pytest.raises(WrongAnswer, match="aa:bb answers for it"):
        vip_choice.refuse_taken(choice, {"10.20.0.10": "aa:bb"})


def test_one_that_answers_for_all_addresses_has_none_of_them() -> None:
    asked = [IPv4Address(f"10.20.0.{last}") for last in range(50, 54)]
    proxied = {str(each): "aa:aa" for each in asked}
    real = {"10.20.0.50": "bb:bb"}
    assert vip_choice.without_proxies({"a": proxied, "b": real}, asked) == {"b": real}


def test_machines_that_do_not_find_each_other_are_named_in_pairs() -> None:
    machines = pair()
    (network,) = shared_networks.shared(machines)
    sees = {"10.20.0.11": ["10.20.0.12"], "10.20.0.12": ["10.20.0.11"]}
    assert vip_choice.unseen(network, sees) == []
    assert vip_choice.unseen(network, sees | {"10.20.0.12": []}) == ["10.20.0.11 and 10.20.0.12"]
    assert vip_choice.unseen(network, {}) == []  # nobody could ask


def test_what_a_machine_got_later_in_a_network_is_not_its_own() -> None:
    machine = found("a", "e 10.0.0.1/24", "e 10.0.0.9/24", "e 10.1.0.1/24", "e 10.0.0.8/32")
    own = [str(address) for _, address in own_addresses(machine.surveyed)]
    assert own == ["10.0.0.1/24", "10.1.0.1/24"]
