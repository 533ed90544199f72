"""What was found, and what is proposed, as a person reads it before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from first_inventory.findings import MachineFindings, own_addresses
from first_inventory.proposal import InventoryProposal


def machines(found: Sequence[MachineFindings]) -> Table:
    """A column for each machine."""
    table = Table(box=None, padding=(0, 2, 0, 0), title="What they have", title_justify="left")
    table.add_column("")
    for machine in found:
        table.add_column(machine.host, overflow="fold")
    columns = [dict(_rows(machine)) for machine in found]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _rows(machine: MachineFindings) -> Iterator[tuple[str, str]]:
    details, surveyed = machine.details, machine.surveyed
    yield "calls itself", details.hostname
    yield "system", surveyed.distribution
    own = [f"{address} on {interface}" for interface, address in own_addresses(surveyed)]
    yield "addresses", "\n".join(own) or "none"
    yield "gateway", details.gateway or "none"
    kept = details.time_service or ("its host" if surveyed.container else "")
    asks = f", asks {details.time_servers[0]}" if details.time_servers else ""
    yield "clock", f"kept by {kept}{asks}" if kept else "nothing keeps it"
    nginx = "another nginx is installed" if surveyed.foreign_nginx else ""
    yield "port 80", nginx or (f"{details.port_80} has it" if details.port_80 else "free")
    heard = machine.heard
    numbers = sorted({f"{each.router_id} ({each.source})" for each in heard or ()})
    yield "VRRP heard", "not known" if heard is None else "\n".join(numbers) or "nobody"


def proposed(proposal: InventoryProposal) -> Table:
    """The settings that are written."""
    table = Table(box=None, padding=(0, 2, 0, 0), title="What is written", title_justify="left")
    for _ in range(2):
        table.add_column("", overflow="fold")
    table.show_header = False
    names = [node.name for node in proposal.nodes]
    table.add_row(proposal.cluster, f"{', then '.join(names)}")
    sudo = " with sudo" if proposal.sudo else ""
    table.add_row("SSH logs in as", f"{proposal.user}{sudo}")
    places = proposal.interface or ", ".join(
        f"{node.interface} of {node.name}" for node in proposal.nodes
    )
    free = "nobody answers for it" if proposal.probed else "whether it is free is not known"
    table.add_row("VIP", f"{proposal.vip} on {places}; {free}")
    router = "nobody was heard to use it"
    if proposal.unheard:
        router = f"{', '.join(proposal.unheard)} could not listen"
    elif proposal.heard:
        router = f"heard are {', '.join(proposal.heard)}"
    table.add_row("virtual_router_id", f"{proposal.router_id}; {router}")
    table.add_row("time server", f"{proposal.ntp_server or 'none'}; {proposal.ntp_reason}")
    mail = f"{', '.join(proposal.email)} by {proposal.smtp_server}"
    table.add_row("mail", mail if proposal.email else "nobody gets any")
    return table
