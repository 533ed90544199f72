"""The interface through which nodes give each other segments: VXLAN between their own addresses.

It works within one network and across routers, for IPv4 and IPv6 alike. Who is who is known by the
card's address: it is made from the node's own, and nothing is learned from what arrives.
"""

import time

from common.commands import run
from common.journal import say_once
from common.machine_files import read
from common.netlink import interface_index
from handover.mesh_addresses import DEVICE, UDP_PORT, VNI, addresses, mac
from handover.moving_address import RETRY_S, batched, logged

MTU = "1500"  # where the network's own is not known
IS_UP = 0x1  # linux/if.h: IFF_UP


class MeshDevice:
    """Makes the interface, and again if it is not as it was made.

    own: this node's address, on `interface`; peers: the others'.
    """

    def __init__(self, own, interface, peers):
        self.own, self.interface, self.peers = own, interface, peers
        self.made = 0  # its number, as it was made
        self.tried, self.tried_s = "", float("-inf")  # what was wrong when it was last mended, when

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
        if not self._may_try("it is not there"):
            return False
        if index:
            logged("ip", "link", "delete", DEVICE)
        kind = ("type", "vxlan", "id", str(VNI), "dstport", str(UDP_PORT), "local", self.own)
        done = run(
            *("ip", "link", "add", DEVICE, "address", mac(self.own), "mtu", self._mtu()),
            *(*kind, "nolearning"),
            timeout_s=10,
        )
        say_once("the mesh's interface cannot be made", done.message if done.code else "")
        if done.code:
            self.made = 0
            return False
        self._configure()
        self.made, self.tried = interface_index(DEVICE), ""
        return True

    def _may_try(self, fault):
        """Whether to do something about it now: what has just been tried in vain has to wait."""
        now_s = time.monotonic()
        if fault == self.tried and now_s - self.tried_s < RETRY_S:
            return False
        self.tried, self.tried_s = fault, now_s
        return True

    def _mtu(self):
        """As large as the network's own packets: what does not fit with VXLAN around it goes in two
        pieces."""
        return read(f"/sys/class/net/{self.interface}/mtu") or MTU

    def _mend(self):
        """Configure it anew where it is not as it was made: who sets it down takes its addresses
        and neighbours away. (RT-14 of the verifier looks at the same.)"""
        wanted = {name for its in self._called().values() for name in its.values()}
        where = f"show dev {DEVICE}"
        shown = batched("ip", [f"address {where}", f"neighbour {where} nud permanent"])
        ways = logged("bridge", "fdb", "show", "dev", DEVICE)
        flags = read(f"/sys/class/net/{DEVICE}/flags")
        if shown is None or ways is None or not flags:
            return  # it is just gone: made anew in the next round
        known = {word.partition("/")[0] for word in shown.split()}
        faults = [f"{name} is missing" for name in sorted(wanted - known)]
        faults += [] if int(flags, 16) & IS_UP else ["it is down"]
        if read(f"/sys/class/net/{DEVICE}/mtu") != self._mtu():
            faults.append(f"its MTU is not {self._mtu()}")
        found = {(words[0], words[words.index("dst") + 1]) for words in _with_dst(ways)}
        faults += [f"no way to {peer}" for peer in self.peers if (mac(peer), peer) not in found]
        strange = sorted(found - {(mac(peer), peer) for peer in self.peers})
        faults += [f"{card} at {address} is none of ours" for card, address in strange]
        fault = ", ".join(faults)
        say_once("the mesh's interface is configured anew", fault)
        if not fault:
            self.tried = ""
        elif self._may_try(fault):
            self._configure(strange)

    def _called(self):
        """What the nodes are called in the mesh, by version."""
        six = read(f"/proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6") == "0"
        owns = [self.own, *self.peers]
        return {version: addresses(owns, version) for version in ((4, 6) if six else (4,))}

    def _configure(self, strange=()):
        """strange: ways (card, node's address) that are none of ours."""
        # Whose segments these are is no question of routes: the way back is another.
        _write(f"/proc/sys/net/ipv4/conf/{DEVICE}/rp_filter", "2")
        _write(f"/proc/sys/net/ipv4/conf/{DEVICE}/arp_ignore", "8")
        _write(f"/proc/sys/net/ipv6/conf/{DEVICE}/addr_gen_mode", "1")
        for name in ("accept_ra", "dad_transmits"):
            _write(f"/proc/sys/net/ipv6/conf/{DEVICE}/{name}", "0")
        # One process for all: there may be 16 nodes.
        lines = [f"link set dev {DEVICE} mtu {self._mtu()} up"]
        mark = {4: ("/24", "scope link"), 6: ("/64", "nodad")}
        for version, names in self._called().items():
            prefix, words = mark[version]
            lines.append(f"address replace {names[self.own]}{prefix} dev {DEVICE} {words}")
            lines += [
                f"neighbour replace {names[peer]} lladdr {mac(peer)} dev {DEVICE} nud permanent"
                for peer in self.peers
            ]
        batched("ip", lines)
        ways = [f"fdb del {card} dev {DEVICE} dst {address}" for card, address in strange]
        ways += [f"fdb replace {mac(peer)} dev {DEVICE} dst {peer}" for peer in self.peers]
        batched("bridge", ways)


def _with_dst(text):
    """The words of each line that says behind which address a card is."""
    return [words for words in map(str.split, text.splitlines()) if "dst" in words[:-1]]


def remove():
    """Take the interface away, if it is there."""
    if interface_index(DEVICE):
        logged("ip", "link", "delete", DEVICE)


def _write(path, value):
    trouble = ""
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        trouble = error.strerror
    say_once(path, trouble)
