"""Which address can be the VIP: what is proposed, and why one that is given cannot be it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_interface
from itertools import combinations, islice
from typing import NamedTuple

from first_inventory.findings import MachineFindings
from first_inventory.given_answers import WrongAnswer
from first_inventory.shared_networks import SharedNetwork

# So many addresses are asked for at once, to propose one that nobody has.
CANDIDATES = 8


class VipChoice(NamedTuple):
    """An address that could be the VIP, and the network in which all machines are with it."""

    vip: IPv4Interface
    network: SharedNetwork


def candidates(machines: Sequence[MachineFindings], network: SharedNetwork) -> list[IPv4Address]:
    """Addresses that may be free: near the first machine's, from the highest down."""
    first = network.places[machines[0].host][1].ip
    near = network.network
    if near.prefixlen < 24:
        near = IPv4Network(f"{first}/24", strict=False)
    ends = {network.network.network_address, network.network.broadcast_address}
    avoided = network.addresses | ends | _gateways(machines) | _carried(machines).keys()
    # A near network may be in the middle of a larger one; it is left whole all the same.
    found = (address for address in reversed(list(near.hosts())) if address not in avoided)
    return list(islice(found, CANDIDATES))


def chosen(
    text: str, networks: Sequence[SharedNetwork], machines: Sequence[MachineFindings]
) -> VipChoice:
    """The VIP that `text` names, if no machine that was asked speaks against it.

    Raises `WrongAnswer`.
    """
    where = " or ".join(str(each.network) for each in networks)
    try:
        given = ip_interface(text.strip())
    except ValueError:
        raise WrongAnswer(f"{text!r} is no address; give a free one of {where}") from None
    if not isinstance(given, IPv4Interface):
        raise WrongAnswer(
            f"{given.ip} is an IPv6 address; give an IPv4 one of {where} here. docs/operations.md "
            "says how an IPv6 VIP is set in the file"
        )
    network = next((each for each in networks if given.ip in each.network), None)
    if network is None:
        raise WrongAnswer(f"{given.ip} is in no network of all machines; give one of {where}")
    right = network.network.prefixlen
    if "/" in text and given.network.prefixlen != right:
        raise WrongAnswer(f"the machines have /{right} in that network: give {given.ip}/{right}")
    for reason in _reasons(given.ip, network, machines):
        raise WrongAnswer(f"{given.ip} {reason}; give a free one of {where}")
    return VipChoice(IPv4Interface(f"{given.ip}/{right}"), network)


def without_proxies(
    owners: Mapping[str, dict[str, str]], asked: Collection[IPv4Address]
) -> dict[str, dict[str, str]]:
    """The answers of the machines on whose wire they mean something: not of those where one MAC
    answers for all of many addresses (proxy ARP, as clouds have it). owners: the MAC of each
    address that was answered for, by the machine that asked."""

    def by_proxy(answers: Mapping[str, str]) -> bool:
        macs = {answers.get(str(each)) for each in asked}
        return len(asked) > 2 and len(macs) == 1 and None not in macs

    return {host: answers for host, answers in owners.items() if not by_proxy(answers)}


def refuse_taken(choice: VipChoice, owners: Mapping[str, str]) -> None:
    """Raise `WrongAnswer` if somebody has the address. owners: the MAC of each that answered."""
    if mac := owners.get(str(choice.vip.ip)):
        raise WrongAnswer(
            f"{choice.vip.ip} is taken: {mac} answers for it; give another, that nobody has"
        )


def unseen(network: SharedNetwork, owners: Mapping[str, Collection[str]]) -> list[str]:
    """Pairs of machines of which one does not find the other on its wire, "HOST1 and HOST2".

    owners: the addresses that answered each one, by host; without those that could not ask.
    """

    def finds(host: str, other: str) -> bool:
        return host not in owners or str(network.places[other][1].ip) in owners[host]

    return [
        f"{host} and {other}"
        for host, other in combinations(network.places, 2)
        if not (finds(host, other) and finds(other, host))
    ]


def _reasons(
    address: IPv4Address, network: SharedNetwork, machines: Sequence[MachineFindings]
) -> Iterator[str]:
    for host, (_, own) in network.places.items():
        if own.ip == address:
            yield f"is {host}'s own address"
    if address in _gateways(machines):
        yield "is the gateway's"
    if address == network.network.broadcast_address:
        yield f"is the broadcast address of {network.network}"
    if address == network.network.network_address:
        yield f"is the address of the network {network.network} itself"
    if holder := _carried(machines).get(address):
        yield (
            f"is on {holder} already (a cluster that Tandem has deployed has its inventory; "
            "teardown.py with that one gives the address free)"
        )


def _gateways(machines: Sequence[MachineFindings]) -> set[IPv4Address]:
    return {
        IPv4Address(machine.details.gateway)
        for machine in machines
        if machine.details.gateway and ":" not in machine.details.gateway
    }


def _carried(machines: Sequence[MachineFindings]) -> dict[IPv4Address, str]:
    """Every address that one of them has, and which."""
    return {
        address.ip: machine.host
        for machine in machines
        for addresses in machine.surveyed.interfaces.values()
        for address in addresses
        if isinstance(address, IPv4Interface)
    }
