"""What is not yet as a deploy needs it, or is worth a word: the inventory is right all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from first_inventory.findings import MachineFindings, NetworkServices
from first_inventory.proposal import InventoryProposal
from settings import Mistake, Node
from settings.mistakes.mistake import merge
from tasks.machine import survey

# A time server's answer is good to some ms; the controller's clock, and the way to it, is not.
TOLERATED_BY_SERVER_S = 1.0
TOLERATED_BY_CONTROLLER_S = 5.0


class Readiness(NamedTuple):
    """What deploy.py would refuse, and what it would not."""

    barring: tuple[Mistake, ...]
    notes: tuple[Mistake, ...]


def readiness(
    proposal: InventoryProposal,
    nodes: Sequence[Node],
    machines: Sequence[MachineFindings],
    services: Mapping[str, NetworkServices],
    apart: Sequence[str],
) -> Readiness:
    """What is to be mended. nodes: the inventory's, in the order of `machines`; apart: pairs of
    machines that do not find each other on their wire."""
    barring: list[Mistake] = []
    notes: list[Mistake] = []
    for node, machine in zip(nodes, machines, strict=True):
        barring += survey.mismatches(node, machine.surveyed)
        barring += _port(node, machine)
        notes += _clock(node, machine, services.get(machine.host))
        if machine.heard is None:
            remedy = "who else speaks VRRP was not heard: that takes python3 on the machine"
            notes.append(Mistake(node.name, "virtual_router_id", proposal.router_id, remedy))
        notes += _servers(node, services.get(machine.host))
        if machine.surveyed.serves and not machine.surveyed.foreign_nginx:
            remedy = "nginx or keepalived was set up here before; deploy.py replaces its settings"
            notes.append(Mistake(node.name, "in service", "yes", remedy))
    if not proposal.probed:
        remedy = "whether anybody has it could not be asked: make sure that it is free"
        notes.append(Mistake(proposal.cluster, "vip", str(proposal.vip), remedy))
    for pair in apart:
        remedy = (
            f"they do not find each other on {proposal.network} by ARP: are they on one wire, or "
            "in two networks with the same addresses? The VIP can move only on one"
        )
        notes.append(Mistake(pair, "network", str(proposal.network), remedy))
    return Readiness(tuple(merge(barring)), tuple(merge(notes)))


def _servers(node: Node, services: NetworkServices | None) -> Iterator[Mistake]:
    if services is None:
        return
    if node.ntp_server and node.ntp_server not in services.time:
        remedy = "as a time server it does not answer this machine: is the name right?"
        yield Mistake(node.name, "ntp_server", node.ntp_server, remedy)
    if node.notification_email and node.smtp_server not in services.mail:
        remedy = "it takes no mail from this machine (port 25): is the name right?"
        yield Mistake(node.name, "smtp_server", node.smtp_server, remedy)


def _port(node: Node, machine: MachineFindings) -> Iterator[Mistake]:
    program = machine.details.port_80
    ours = program == "nginx" and machine.surveyed.serves
    if program and not ours and not (program == "nginx" and machine.surveyed.foreign_nginx):
        remedy = f"{program} has that port there: stop it and disable it, or set another http_port"
        yield Mistake(node.name, "http_port", node.http_port, remedy)


def _clock(
    node: Node, machine: MachineFindings, services: NetworkServices | None
) -> Iterator[Mistake]:
    details = machine.details
    by_server = services.time.get(node.ntp_server) if services else None
    if by_server is not None:
        off, whose, tolerated = -by_server, node.ntp_server, TOLERATED_BY_SERVER_S
    else:
        off, whose, tolerated = details.clock_s, "this controller's", TOLERATED_BY_CONTROLLER_S
    if abs(off) > tolerated:
        way = "ahead of" if off > 0 else "behind"
        kept = details.time_service or ("its host" if machine.surveyed.container else "")
        remedy = (
            f"it is {abs(off):.0f} s {way} {whose}, and {kept} keeps it: set it right there"
            if kept
            else f"it is {abs(off):.0f} s {way} {whose}; "
            + ("deploy.py sets it" if node.ntp_server else "set it, or give an ntp_server")
        )
        yield Mistake(node.name, "clock", "wrong", remedy)
    elif not node.ntp_server and not details.time_service and not machine.surveyed.container:
        remedy = "nothing keeps this machine's clock: give a time server (--ntp-server)"
        yield Mistake(node.name, "ntp_server", "", remedy)
