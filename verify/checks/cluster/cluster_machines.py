"""X: are a cluster's machines distinct, on one network, and within each other's reach?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial

from settings.network.network_settings import NodeInterface
from verify.checks.check import Across, Answer, faultless, in_cluster
from verify.checks.premises import two_reached
from verify.read.machine_view import CannotTell, MachineView
from verify.read.system_output import Interface


@in_cluster(
    "X-19",
    "all machines share a network, and reach each other",
    reads=("addresses", "neighbours"),
    needs=(two_reached,),
    settles=True,
    reason="With different MTUs large packets are lost after a move and small ones are not; with "
    "another prefix a node answers some clients by a router, or not at all.",
    remedy="Set the same MTU and prefix on the interface of every machine, where its network is "
    "configured. Nodes that do not reach each other: look at the firewall and the switch.",
)
def one_network(across: Across) -> Answer:
    faults: list[str] = []
    shown: list[str] = []
    for network in across.cluster.networks:
        links = across.by_machine(partial(_link, network))
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
        if peer.name in across.machines and peer.address not in machine.neighbours
    ]
    return faultless(
        list(dict.fromkeys(faults)),
        expected="one MTU, one prefix, each reaches all others",
        found=", ".join(dict.fromkeys(shown)),
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
    for network in across.cluster.networks:
        links = across.by_machine(partial(_link, network))
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
