"""How nodes know each other in the mesh of a routed cluster: by their places, from 1.

The controller writes rules with it, and the program on the machines sends by it: it is placed there
as well, and has to run on Python 3.6.
"""

DEVICE = "tandem"
# VXLAN's network identifier, and its UDP port between the nodes' own addresses.
VNI = UDP_PORT = 7113
# UDP ports in the mesh on which a node says that it is there; and that it serves new connections.
ALIVE_PORT, SERVES_PORT = 7113, 7114


def mac(place: int) -> str:
    """A node's card in the mesh: locally administered."""
    return f"02:74:61:6e:64:{place:02x}"


def address(place: int, version: int) -> str:
    """A node's IPv4 or IPv6 address in the mesh: link-local, so that no router takes it on."""
    return f"169.254.71.{place}" if version == 4 else f"fe80::7113:{place:x}"
