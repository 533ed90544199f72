"""The interface through which nodes give each other segments: VXLAN between their own addresses.

It works within one network and across routers, for IPv4 and IPv6 alike. Who is who is known by the
card's address: it is made from the node's own, and nothing is learned from what arrives.
"""

from common.commands import run
from common.journal import say
from common.machine_files import read
from common.netlink import interface_index
from handover.mesh_addresses import DEVICE, UDP_PORT, VNI, addresses, mac
from handover.moving_address import logged

MTU = "1500"  # where the network's own is not known


class MeshDevice:
    """Makes the interface, and again if it is not as it was made.

    own: this node's address, on `interface`; peers: the others'.
    """

    def __init__(self, own, interface, peers):
        self.own, self.interface, self.peers = own, interface, peers
        self.made = 0  # its number, as it was made
        self.trouble = ""  # what was said last of what is wrong with it

    @property
    def gone(self):
        """Whether it was there as it was made, and is not any more."""
        return self.made != interface_index(DEVICE)

    def ensure(self, index):
        """Make it, or have it as it was made; whether it was made anew.

        index: the interface's number, 0 where there is none.
        """
        if index and index == self.made:
            self._mend()
            return False
        if index:
            logged("ip", "link", "delete", DEVICE)
        # As large as the network's own packets: what does not fit with VXLAN around it goes in two
        # pieces.
        mtu = read(f"/sys/class/net/{self.interface}/mtu") or MTU
        kind = ("type", "vxlan", "id", str(VNI), "dstport", str(UDP_PORT), "local", self.own)
        done = run(
            *("ip", "link", "add", DEVICE, "address", mac(self.own), "mtu", mtu),
            *(*kind, "nolearning"),
            timeout_s=10,
        )
        if done.code:
            self._told(f"the mesh's interface cannot be made: {done.errors}")
            self.made = 0
            return False
        self._configure()
        self.made, self.trouble = interface_index(DEVICE), ""
        return True

    def _mend(self):
        """Configure it anew where it lacks what it was made with: who sets it down takes its
        addresses and neighbours away."""
        wanted = {name for its in self._called().values() for name in its.values()}
        shown = logged("ip", "-o", "address", "show", "dev", DEVICE)
        known = logged("ip", "neighbour", "show", "dev", DEVICE, "nud", "permanent")
        if shown is None or known is None:
            return  # it is just gone: made anew in the next round
        missing = wanted - {word.partition("/")[0] for word in (shown + " " + known).split()}
        if missing:
            lacks = ", ".join(sorted(missing))
            self._told(f"the mesh's interface is configured anew: it lacks {lacks}")
            self._configure()
        else:
            self.trouble = ""

    def _told(self, trouble):
        """Say it, once as long as it lasts."""
        if trouble != self.trouble:
            say(trouble)
        self.trouble = trouble

    def _called(self):
        """What the nodes are called in the mesh, by version."""
        six = read(f"/proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6") == "0"
        owns = [self.own, *self.peers]
        return {version: addresses(owns, version) for version in ((4, 6) if six else (4,))}

    def _configure(self):
        # Whose segments these are is no question of routes: the way back is another.
        _write(f"/proc/sys/net/ipv4/conf/{DEVICE}/rp_filter", "2")
        _write(f"/proc/sys/net/ipv4/conf/{DEVICE}/arp_ignore", "8")
        _write(f"/proc/sys/net/ipv6/conf/{DEVICE}/addr_gen_mode", "1")
        for name in ("accept_ra", "dad_transmits"):
            _write(f"/proc/sys/net/ipv6/conf/{DEVICE}/{name}", "0")
        logged("ip", "link", "set", DEVICE, "up")
        called = self._called()
        mark = {4: ("/24", "scope", "link"), 6: ("/64", "nodad")}
        for version, names in called.items():
            prefix, *words = mark[version]
            logged("ip", "address", "replace", names[self.own] + prefix, "dev", DEVICE, *words)
        for peer in self.peers:
            logged("bridge", "fdb", "replace", mac(peer), "dev", DEVICE, "dst", peer)
            for names in called.values():
                known = ("lladdr", mac(peer), "dev", DEVICE, "nud", "permanent")
                logged("ip", "neighbour", "replace", names[peer], *known)


def remove():
    """Take the interface away, if it is there."""
    if interface_index(DEVICE):
        logged("ip", "link", "delete", DEVICE)


def _write(path, value):
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        say(str(error))
