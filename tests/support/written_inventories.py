"""Proposals for pretended machines, and the files that are written of them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from first_inventory import inventory_file_writing, proposal, shared_networks, vip_choice
from first_inventory.findings import MachineFindings
from first_inventory.given_answers import GivenAnswers
from first_inventory.proposal import InventoryProposal
from tests.support.found_machines import GATEWAY

DATE = datetime.date(2026, 11, 29)


def proposed(
    machines: Sequence[MachineFindings],
    vip: str = "10.20.0.10",
    *,
    probed: bool = True,
    **answers: Any,
) -> InventoryProposal:
    """What is proposed where somebody has given these answers."""
    choice = vip_choice.chosen(vip, shared_networks.shared(machines), machines)
    server = answers.get("ntp_server", GATEWAY)
    return proposal.proposal(
        GivenAnswers(**answers),
        machines,
        choice,
        (server, "the gateway, and it answers"),
        probed=probed,
    )


def written(inventory: InventoryProposal, directory: Path) -> Path:
    """Its file."""
    path = directory / "mine.py"
    path.write_text(inventory_file_writing.text_of(inventory, "mine.py", DATE))
    return path
