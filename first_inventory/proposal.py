"""What is written, from what a person has answered and the machines have said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from first_inventory import given_answers as said
from first_inventory.findings import MachineFindings, NetworkServices
from first_inventory.given_answers import GivenAnswers
from first_inventory.vip_choice import VipChoice

LOWEST_PRIORITY = 100
# What machines are called that nobody has named.
_NAMELESS = {"", "localhost", "debian", "ubuntu", "rocky", "almalinux"}


@dataclass(frozen=True)
class ProposedNode:
    """A machine as the inventory names it.

    ssh_hostname: "" where the name itself says how SSH reaches it; address: "" where it is the
    same. system: what it is, for a comment.
    """

    name: str
    ssh_hostname: str
    address: str
    own: IPv4Interface
    interface: str
    priority: int
    system: str


@dataclass(frozen=True)
class InventoryProposal:
    """The whole inventory. heard: who else speaks VRRP, "61 (172.16.12.9)"; unheard: the machines
    that could not listen. probed: whether anybody was asked for the VIP. ntp_reason: why this time
    server."""

    cluster: str
    nodes: tuple[ProposedNode, ...]
    user: str
    sudo: bool
    vip: IPv4Interface
    router_id: int
    heard: tuple[str, ...]
    unheard: tuple[str, ...]
    probed: bool
    ntp_server: str
    ntp_reason: str
    email: tuple[str, ...]
    smtp_server: str

    @property
    def network(self) -> IPv4Network:
        return self.vip.network

    @property
    def interface(self) -> str:
        """The interface of all machines; "" where each has its own."""
        every = {node.interface for node in self.nodes}
        return every.pop() if len(every) == 1 else ""


def proposal(
    answers: GivenAnswers,
    machines: Sequence[MachineFindings],
    choice: VipChoice,
    time: tuple[str, str],
    *,
    probed: bool,
) -> InventoryProposal:
    """The inventory of these machines. time: the time server, and why this one."""
    heard: dict[int, set[str]] = {}
    for machine in machines:
        for router in machine.heard or ():
            heard.setdefault(router.router_id, set()).add(router.source)
    names = node_names(machines)
    nodes = [
        _node(machine, names[machine.host], choice, LOWEST_PRIORITY + len(machines) - 1 - place)
        for place, machine in enumerate(machines)
    ]
    return InventoryProposal(
        cluster=answers.cluster or "web",
        nodes=tuple(nodes),
        user=answers.user or "root",
        sudo=bool(answers.sudo),
        vip=choice.vip,
        router_id=free_router_id(choice.vip, heard),
        heard=tuple(
            f"{number} ({', '.join(sorted(who))})" for number, who in sorted(heard.items())
        ),
        unheard=tuple(names[machine.host] for machine in machines if machine.heard is None),
        probed=probed,
        ntp_server=time[0],
        ntp_reason=time[1],
        email=answers.email or (),
        smtp_server=answers.smtp_server or "",
    )


def free_router_id(vip: IPv4Interface, taken: Collection[int]) -> int:
    """A virtual router's number that nobody was heard to use: the VIP's last octet, by which one
    knows it again, or the next after it. 0, which is refused, if all are taken.
    """
    first = int(vip.ip) % 256 or 1
    free = (each for each in (*range(first, 256), *range(1, first)) if each not in taken)
    return next(free, 0)


def node_names(machines: Sequence[MachineFindings]) -> dict[str, str]:
    """What the inventory calls each machine: as a person did by name; or, where addresses were
    given, as the machines call themselves, if that tells them apart."""
    own = {machine.host: machine.details.hostname for machine in machines}
    count = Counter(own.values())
    usable = all(
        name.lower() not in _NAMELESS and count[name] == 1 and re.fullmatch(r"[\w.-]+", name)
        for name in own.values()
    )
    return {
        host: host if not said.is_address(host) else name if usable else f"host{place}"
        for place, (host, name) in enumerate(own.items(), start=1)
    }


def _node(machine: MachineFindings, name: str, choice: VipChoice, priority: int) -> ProposedNode:
    interface, own = choice.network.places[machine.host]
    ssh_hostname = machine.host if machine.host != name else ""
    surveyed = machine.surveyed
    cpus = "1 CPU" if surveyed.cpus == 1 else f"{surveyed.cpus} CPUs"
    return ProposedNode(
        name=name,
        ssh_hostname=ssh_hostname,
        address="" if (ssh_hostname or name) == str(own.ip) else str(own.ip),
        own=own,
        interface=interface,
        priority=priority,
        system=" ".join(f"{surveyed.distribution}, {cpus}".split()),
    )


def time_candidates(machines: Sequence[MachineFindings]) -> list[str]:
    """Who may be the time server: those that the machines' own services name, then the gateways."""
    named = [each for machine in machines for each in machine.details.time_servers[:2]]
    gateways = [machine.details.gateway for machine in machines if machine.details.gateway]
    return list(dict.fromkeys((*named, *gateways)))


def time_server(
    machines: Sequence[MachineFindings], services: Mapping[str, NetworkServices]
) -> tuple[str, str]:
    """The time server to propose, and why. services: by host, without those that could not ask."""
    named = {each for machine in machines for each in machine.details.time_servers}
    for candidate in time_candidates(machines):
        if services and all(candidate in found.time for found in services.values()):
            what = "the machines' own time service asks it" if candidate in named else "the gateway"
            return candidate, f"{what}, and it answers"
    if named and not services:
        first = time_candidates(machines)[0]
        return first, "the machines' own time service asks it; whether it answers is not known"
    return "", "no time server was found: clocks are left alone"


def mail_server(
    machines: Sequence[MachineFindings], services: Mapping[str, NetworkServices]
) -> str:
    """The mail server to propose: a gateway that takes mail from all of them, or ""."""
    for machine in machines:
        gateway = machine.details.gateway
        if gateway and services and all(gateway in found.mail for found in services.values()):
            return gateway
    return ""
