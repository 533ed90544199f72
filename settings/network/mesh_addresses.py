"""How nodes know each other in the mesh of a routed cluster: by their own IPv4 addresses.

Not by their order, which is another one once a node was added or removed; nodes learn of that one
after the other. The controller writes rules with it, and the program on the machines sends by it:
it is placed there as well, and has to run on Python 3.6.
"""

from socket import AF_INET6, inet_aton, inet_ntop

DEVICE = "tandem"
# VXLAN's network identifier, and its UDP port between the nodes' own addresses.
VNI = UDP_PORT = 7113
# UDP ports in the mesh on which a node says that it is there; and that it serves new connections.
ALIVE_PORT, SERVES_PORT = 7113, 7114
# And on which it says that it is there although nothing is heard of it for a moment: its program is
# about to be started anew.
PAUSES_PORT, PAUSE_S = 7115, 5
# What nodes are called there. Nobody else has an address in it.
NETWORK = "169.254.71.0/24"
_CALLED, _LAST = "169.254.71.{}", 254
_LINK_LOCAL = b"\xfe\x80" + bytes(8) + b"\x71\x13"  # fe80::7113:0:0, but for its last four


def mac(own: object) -> str:
    """The card in the mesh of the node with this address: locally administered.

    Nothing else of a segment there says whose it is.
    """
    return "02:74:" + ":".join(f"{byte:02x}" for byte in inet_aton(str(own)))


def addresses(owns: "list[str]", version: int) -> "dict[str, str]":
    """What a node calls itself and the others in the mesh, {own address: address there}.

    Link-local, so that no router takes it on. No other node has to call them the same: a name is
    looked up for its card and not looked at any more. The last byte of its own address is a node's
    name as far as that is no other one's. They are written as the kernel's tools write them.
    """
    if version == 6:
        return {own: inet_ntop(AF_INET6, _LINK_LOCAL + inet_aton(own)) for own in owns}
    found = {}  # type: dict[int, str]
    for own in sorted(owns, key=inet_aton):
        number = inet_aton(own)[3] or _LAST
        while number in found or number > _LAST:
            number = number % _LAST + 1
        found[number] = own
    return {own: _CALLED.format(number) for number, own in found.items()}
