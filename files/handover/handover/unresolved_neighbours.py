"""Neighbours that nobody can reach while the cable is out, and at once when it is back."""

from common.machine_files import read
from handover.moving_address import logged

UNRESOLVED = ("nud", "incomplete", "nud", "failed")


class UnresolvedNeighbours:
    """Has those asked for anew that were asked for while an interface had no carrier.

    The kernel asks for a neighbour once a second, and the next time is not earlier because the
    cable is back: this node would have the VIP for most of a second before it could answer
    anybody, or tell the others that it has it.
    """

    def __init__(self, interfaces):
        self.interfaces = interfaces
        self.connected = set(interfaces)

    def observe(self):
        """What is to be done when the kernel tells that a link has changed."""
        before, self.connected = self.connected, set(filter(_has_carrier, self.interfaces))
        for interface in sorted(self.connected - before):
            logged("ip", "neighbour", "flush", "dev", interface, *UNRESOLVED)


def _has_carrier(interface):
    return read(f"/sys/class/net/{interface}/carrier") == "1"
