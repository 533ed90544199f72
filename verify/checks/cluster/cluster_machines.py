"""X: are a cluster's machines distinct, alike on each network, and within each other's reach?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address

from settings import Node
from settings.network.network_settings import NodeInterface
from verify.checks.check import Across, Answer, faultless, in_cluster
from verify.checks.premises import two_reached
from verify.observe.route_probes import ELSEWHERE, destinations
from verify.read.machine_view import CannotTell, MachineView
from verify.read.system_output import Interface


@in_cluster(
    "X-19",
    "machines of one network are alike, and reach others",
    reads=("addresses", "neighbours", "routes"),
    needs=(two_reached,),
    settles=True,
    reason="With different MTUs large packets are lost after a move and small ones are not; with "
    "another prefix a node answers some clients by a router, or not at all; without its default "
    "route none beyond this network.",
    remedy="Set the same MTU and prefix on the interface of every machine, where its network is "
    "configured. Nodes that do not reach each other: look at the firewall and the switch. A "
    "default route that was lost (ip link set down; up): ip route replace default via GATEWAY.",
)
def one_network(across: Across) -> Answer:
    faults: list[str] = []
    shown: list[str] = []
    for network, links in _wires(across):
        mtus = {name: link.mtu for name, link in links.items()}
        if len(set(mtus.values())) > 1:
            faults.append(f"MTU: {across.named(mtus)}")
        for version in (4, 6):
            # Without a prefix: NET-05 says that the address is not there.
            prefixes = {
                name: f"/{address.prefix}"
                for name, link in links.items()
                for address in link.addresses
                if address.ip == network[name].own(version)
            }
            if len(set(prefixes.values())) > 1:
                faults.append(f"prefix: {across.named(prefixes)}")
        shown.append(f"MTU {next(iter(mtus.values()))}")
    faults += [
        f"{name} does not reach {peer.name}"
        for name, machine in across.machines.items()
        for peer in across.cluster.peers(across.node(name))
        # The kernel asks for a MAC before it sends, and each has just asked all others for a page.
        if peer.name in across.machines
        and _is_neighbour(across.node(name), peer, machine)
        and peer.address not in machine.neighbours
    ]
    faults += _shut_in(across)
    return faultless(
        list(dict.fromkeys(faults)),
        expected="one MTU, one prefix, each reaches all others",
        found=", ".join(dict.fromkeys(shown)),
    )


def _is_neighbour(node: Node, peer: Node, machine: MachineView) -> bool:
    """Whether no router is between them: of a routed cluster some may be in another network."""
    return not node.routed or any(
        peer.address in address.network for address in machine.addresses(node.address)
    )


def _shut_in(across: Across) -> Iterator[str]:
    """Who has no way to other networks while another has one."""
    ways = across.by_machine(lambda machine: _ways_out(across, machine))
    for place in ELSEWHERE:
        found = {name: its[place] for name, its in ways.items() if place in its}
        if any(found.values()):
            for name in (name for name, way in found.items() if not way):
                yield f"{name} has no default route (to {place}), as others have"


def _ways_out(across: Across, machine: MachineView) -> dict[object, bool]:
    asked = destinations(across.node(machine.name), across.cluster)
    return {
        to: not route.problem
        for to, route in zip(asked, machine.routes, strict=True)
        if to in ELSEWHERE
    }


def _wires(
    across: Across,
) -> Iterator[tuple[Mapping[str, NodeInterface], dict[str, Interface]]]:
    """Each network that machines have in common, with their interfaces there.

    Of a routed cluster machines may stand in several rooms, with routers in between: those are
    together of which one is in the other's network.
    """
    for network in across.cluster.networks:
        links = across.by_machine(partial(_link, network))
        rooms: list[dict[str, Interface]] = []
        for name, link in links.items():
            own = network[name].address
            near = (
                room
                for room in rooms
                for other, there in room.items()
                if not across.cluster.routed
                or _is_in(own, there, network[other].address)
                or _is_in(network[other].address, link, own)
            )
            room = next(near, None)
            if room is None:
                rooms.append(room := {})
            room[name] = link
        yield from ((network, room) for room in rooms)


def _is_in(address: IPv4Address | None, link: Interface, of: IPv4Address | None) -> bool:
    """Whether `address` is in the network that `of` has on that interface."""
    return address is not None and any(
        address in each.network for each in link.addresses if each.ip == of
    )


def _link(network: Mapping[str, NodeInterface], machine: MachineView) -> Interface:
    name = network[machine.name].name
    if name not in machine.interfaces:
        raise CannotTell(f"{machine.name} has no interface {name}")
    return machine.interfaces[name]


@in_cluster(
    "X-22",
    "machine ids, host names and MACs are unique",
    reads=("identity", "addresses"),
    needs=(two_reached,),
    reason="Machines that were cloned share them: one MAC makes a switch lose packets, one machine "
    "id makes DHCP lease an address twice, and with one name nobody can tell whose log it is.",
    remedy="For a machine id: rm /etc/machine-id; systemd-machine-id-setup; then reboot. For a "
    "name: hostnamectl set-hostname. For a MAC: give the (virtual) card another one.",
)
def distinct(across: Across) -> Answer:
    who = across.by_machine(lambda machine: machine.identity)
    faults = [
        *_shared("machine id", {name: its.machine_id for name, its in who.items()}),
        *_shared("host name", {name: its.hostname for name, its in who.items()}),
    ]
    for _, links in _wires(across):
        faults += _shared("MAC", {name: link.mac for name, link in links.items()})
    faults = list(dict.fromkeys(faults))
    return faultless(faults, expected="no two alike", found=f"{len(who)} machines")


def _shared(what: str, values: Mapping[str, str]) -> list[str]:
    """What two machines have alike. Where there is none, nothing is shared."""
    names = defaultdict(list)
    for name, value in values.items():
        names[value].append(name)
    return [
        f"{' and '.join(alike)} have the {what} {value}"
        for value, alike in names.items()
        if value and len(alike) > 1
    ]
