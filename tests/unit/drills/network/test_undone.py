"""What undoes the drills of the network: noted before it is needed, or not needed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drills.control.faults import Fault
from drills.control.network import around_keepalived, leaving
from settings import Node
from tests.unit.drills.network.own_kernel_network import node

CONSTANT = [value for value in vars(around_keepalived).values() if isinstance(value, Fault)]
MADE: list[Callable[[Node], Fault]] = [
    leaving.own_address_lost,
    leaving.own_address_back,
    leaving.interface_down,
    leaving.late_at_boot,
    leaving.followed,
    around_keepalived.stateful_firewall,
    around_keepalived.address6_lost,
]


def known() -> list[Fault]:
    return [*CONSTANT, *(make(node()) for make in MADE)]


def test_every_fault_of_the_network_is_undone_by_something_noted() -> None:
    assert len(CONSTANT) == 3
    assert all(fault.undo for fault in known())


@pytest.mark.parametrize("fault", known(), ids=lambda fault: fault.label)
def test_what_is_on_a_disk_outlives_a_reboot_and_is_known_to(fault: Fault) -> None:
    """An undoing that only /run knows of would be gone with it."""
    on_disk = any(place in fault.do for place in ("/etc/", "/var/lib/"))
    assert fault.lasting is on_disk


@pytest.mark.parametrize("fault", known(), ids=lambda fault: fault.label)
def test_a_fault_that_takes_a_machine_off_the_network_is_undone_while_a_drill_waits(
    fault: Fault,
) -> None:
    takes = any(word in fault.do for word in ("address del $own", "link set $dev down"))
    here = takes and not fault.lasting  # what is late at boot has a unit of its own
    assert bool(fault.rescue_s) is here
    if fault.rescue_s:
        # SSH gives a machine up that says nothing for 20 s, and TCP waits longer and longer.
        assert fault.lasts_s < fault.rescue_s <= 12
