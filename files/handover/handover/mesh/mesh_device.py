"""The interface through which nodes give each other segments: VXLAN between their own addresses.

It works within one network and across routers, for IPv4 and IPv6 alike. Who is who is known by the
card's address: it is made from the node's place, and nothing is learned from what arrives.
"""

from common.commands import run
from common.journal import say
from common.machine_files import read
from handover.mesh_addresses import DEVICE, UDP_PORT, VNI, address, mac
from handover.moving_address import logged

MTU = "1500"  # where the network's own is not known


class MeshDevice:
    """Makes the interface, and again if it is not as it was made.

    own: this node's address, on `interface`; peers: the others' addresses by place.
    """

    def __init__(self, place, own, interface, peers):
        self.place, self.own, self.interface, self.peers = place, own, interface, peers
        self.made = None  # its number, as it was made

    def ensure(self, index):
        """Make it unless it is there as it was made; whether it was made anew.

        index: the interface's number, 0 where there is none.
        """
        if index and index == self.made:
            return False
        if index:
            logged("ip", "link", "delete", DEVICE)
        # As large as the network's own packets: what does not fit with VXLAN around it goes in two
        # pieces.
        mtu = read(f"/sys/class/net/{self.interface}/mtu") or MTU
        kind = ("type", "vxlan", "id", str(VNI), "dstport", str(UDP_PORT), "local", self.own)
        done = run(
            *("ip", "link", "add", DEVICE, "address", mac(self.place), "mtu", mtu),
            *(*kind, "nolearning"),
            timeout_s=10,
        )
        if done.code:
            say(f"the mesh's interface cannot be made: {done.errors}")
            return False
        self._configure()
        return True

    def _configure(self):
        # Whose segments these are is no question of routes: the way back is another.
        _write(f"/proc/sys/net/ipv4/conf/{DEVICE}/rp_filter", "2")
        _write(f"/proc/sys/net/ipv4/conf/{DEVICE}/arp_ignore", "8")
        _write(f"/proc/sys/net/ipv6/conf/{DEVICE}/addr_gen_mode", "1")
        for name in ("accept_ra", "dad_transmits"):
            _write(f"/proc/sys/net/ipv6/conf/{DEVICE}/{name}", "0")
        logged("ip", "link", "set", DEVICE, "up")
        mine = (address(self.place, 4) + "/24", "dev", DEVICE, "scope", "link")
        logged("ip", "address", "replace", *mine)
        if read(f"/proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6") == "0":
            logged(
                "ip", "address", "replace", address(self.place, 6) + "/64", "dev", DEVICE, "nodad"
            )
        for place, peer in self.peers.items():
            logged("bridge", "fdb", "replace", mac(place), "dev", DEVICE, "dst", peer)
            for family in (4, 6):
                known = ("lladdr", mac(place), "dev", DEVICE, "nud", "permanent")
                logged("ip", "neighbour", "replace", address(place, family), *known)

    def remove(self):
        logged("ip", "link", "delete", DEVICE)


def _write(path, value):
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        say(str(error))
