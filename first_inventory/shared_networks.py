"""The networks in which all machines are: only there can an address move between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import combinations

from first_inventory.findings import MachineFindings, own_addresses
from settings import Mistake


@dataclass(frozen=True)
class SharedNetwork:
    """A network, and each machine's own address there, with its interface, by the name that a
    person gave the machine."""

    network: IPv4Network
    places: dict[str, tuple[str, IPv4Interface]]

    @property
    def addresses(self) -> frozenset[IPv4Address]:
        return frozenset(own.ip for _, own in self.places.values())


def shared(machines: Sequence[MachineFindings]) -> list[SharedNetwork]:
    """The networks of all of them: first the one over which SSH reaches them, then the one with
    the way to elsewhere."""
    places: dict[IPv4Network, dict[str, tuple[str, IPv4Interface]]] = {}
    for machine in machines:
        for interface, own in own_addresses(machine.surveyed):
            places.setdefault(own.network, {}).setdefault(machine.host, (interface, own))
    networks = [SharedNetwork(network, found) for network, found in places.items()]
    # Where two have the same address (docker0), it is a network inside each of them.
    common = [each for each in networks if len(each.places) == len(each.addresses) == len(machines)]
    ssh = {machine.ssh_address for machine in machines}
    ways = {(machine.host, machine.details.gateway_interface) for machine in machines}

    def rank(each: SharedNetwork) -> tuple[bool, bool]:
        reached = any(str(own.ip) in ssh for _, own in each.places.values())
        way = any((host, interface) in ways for host, (interface, _) in each.places.items())
        return not reached, not way

    return sorted(common, key=rank)


def apart(machines: Sequence[MachineFindings]) -> Iterator[Mistake]:
    """Why there is no network in which all of them are."""
    every = [(each.host, *own) for each in machines for own in own_addresses(each.surveyed)]
    names = ", ".join(machine.host for machine in machines)
    by_prefix = [
        (one, other)
        for one, other in combinations(every, 2)
        if one[0] != other[0]
        and one[2].network != other[2].network
        and (one[2].ip in other[2].network or other[2].ip in one[2].network)
    ]
    for (host, interface, own), (other_host, other_interface, other) in by_prefix:
        remedy = (
            f"{other_host} has {other} ({other_interface}): one network, two prefixes; mend the "
            "wrong one on its machine"
        )
        yield Mistake(host, interface, str(own), remedy)
    if not by_prefix:
        has = "; ".join(f"{host} has {own} ({interface})" for host, interface, own in every)
        remedy = "an address can move only between machines that have their own in one network"
        yield Mistake(names, "networks", has or "none", remedy)
