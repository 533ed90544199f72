"""What a node needs of one interface: its own addresses there, a link, ways to others."""

import errno
import os
import socket

from common.commands import run
from common.netlink import interface_index
from watch.premises.link_losses import LinkLosses
from watch.premises.neighbour_discovery import OwnAddresses

_ASK_TIMEOUT_S = 0.25
# What shows that an address cannot be used, or that there is no route: not that this machine has
# no descriptor left, say.
_UNUSABLE = (errno.EADDRNOTAVAIL,)
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)
# By the directory that an interface has in sysfs when it is a port of something else: that receives
# in its place, and sockets that are bound to the port, as keepalived's, hear nothing.
_INTERFACES = "/sys/class/net"
_PORTS = {"brport": "bridge", "bonding_slave": "bond"}
# Nobody's (RFC 5737, RFC 3849): the way to them is the way to the rest of the world.
_ELSEWHERE = {4: "192.0.2.1", 6: "2001:db8::1"}
_DISCARD = 9  # the port whose datagrams are thrown away (RFC 863)


class InterfacePremises:
    """An interface with the addresses there: this machine's own, and the other nodes'.

    Each question is answered by what is wrong, in words; by "" if nothing is.
    """

    def __init__(self, interface, whom="other node"):
        """whom: what the `others` are."""
        self.interface = interface
        self.whom = whom
        self.own = []
        self.others = []
        self.link = LinkLosses(interface)
        self.network = OwnAddresses(interface)
        self.had_way_out = set()
        self.found_misplaced = ""
        self.is_port = False

    def index(self):
        """Its number, negative while it is a port; 0 where there is no such interface.

        One that has been a port is another: keepalived takes the end of that for the interface's.
        """
        number = interface_index(self.interface)
        return -number if self.is_port else number

    def observe(self):
        """Look where the addresses are; whether anybody could tell."""
        found = self._look()
        if found is not None:
            self.found_misplaced = found
        return found is not None

    def misplaced(self):
        """Which address is not where it should be, when it was looked at last."""
        return self.found_misplaced

    def unusable(self):
        """Which address nothing can be sent from."""
        away = [own for own in self.own if not _has(own)]
        return f"{away[0]} is not usable here" if away else ""

    def cut_off(self):
        """That there is no route from here to any of the others."""
        ways = list(self._ways())
        if not ways or any(_has(own, other) for own, other in ways):
            return ""
        return f"there is no route from {', '.join(self.own)} to any {self.whom}"

    def shut_in(self):
        """That it has no route to the rest of the world any more, as it had."""
        for own in self.own:
            if _has(own, _ELSEWHERE[6 if ":" in own else 4]):
                self.had_way_out.add(own)
            elif own in self.had_way_out:
                return f"there is no route from {own} to other networks any more"
        return ""

    def announce(self):
        """Tell the network who has this machine's addresses."""
        for own in self.own:
            self.network.announce(own)

    def _look(self):
        """Which address is not where it should be; None if nobody could tell."""
        if not interface_index(self.interface):
            return f"there is no interface {self.interface}"
        ports = [kind for kind in _PORTS if os.path.isdir(f"{_INTERFACES}/{self.interface}/{kind}")]
        self.is_port = bool(ports)
        if ports:
            return f"{self.interface} is a port of a {_PORTS[ports[0]]}"
        words = ("ip", "-o", "address", "show", "dev", self.interface)
        shown = run(*words, timeout_s=_ASK_TIMEOUT_S)
        if shown.code:
            return None
        there = {words[3].partition("/")[0] for words in map(str.split, shown.output.splitlines())}
        away = [own for own in self.own if own not in there]
        return f"{away[0]} is not on {self.interface}" if away else ""

    def _ways(self):
        for other in self.others:
            for own in self.own:
                if (":" in own) == (":" in other):
                    yield own, other


def _has(own, other=""):
    """Whether this machine can send from the address `own`, and has a route from it to `other`; it
    sends nothing."""
    family = socket.AF_INET6 if ":" in own else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((own, 0))
            if other:
                probe.connect((other, _DISCARD))
    except OSError as error:
        return error.errno not in _UNUSABLE + _NO_ROUTE
    return True
