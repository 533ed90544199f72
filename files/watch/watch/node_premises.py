"""Observe what a node needs beside nginx to hold an address."""

import contextlib
import errno
import os
import socket

from common.commands import run
from common.journal import say
from common.netlink import ADDRESSES, LINKS, Events
from common.timing import boottime_s
from watch.link_losses import LinkLosses
from watch.neighbour_discovery import announce
from watch.premise_history import PremiseHistory

_ASK_TIMEOUT_S = 0.25
# `ip` is asked so often at the least, should the kernel not tell of a change; so long after an
# answer that it did not give; and no more often than that, whatever other interfaces come and go.
_OBSERVE_S = 5.0
_AGAIN_S = 1.0
_PAUSE_S = 0.05
# So often the network is told who has this machine's own address, as it is of the VIP: another MAC
# that somebody has learnt (of a stranger with the same address, of the card before) would take the
# adverts to this node away.
_ANNOUNCE_S = 1.0
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


class NodePremises:
    """The node's own addresses, by which the others reach it, and the interface that has them."""

    def __init__(self, interface, own, others, grace_s):
        """own, others: the addresses that speak VRRP, of this machine and of the other nodes."""
        self.interface = interface
        self.own = own
        self.others = others
        self.history = PremiseHistory(grace_s)
        self.link = LinkLosses(interface)
        self.way_out = PremiseHistory(grace_s)
        self.had_way_out = set()
        self.serves_neighbours = False
        self.announced_s = float("-inf")
        self.changes = None
        with contextlib.suppress(OSError):  # an earlier version's unit does not allow it
            self.changes = Events(ADDRESSES, LINKS)
        self.changed = True
        self.misplaced = ""
        self.is_port = False
        self.observed_s = float("-inf")
        self.told = ""

    def news(self):
        """What becomes readable when the kernel tells of a change."""
        return [self.changes.socket] if self.changes else []

    def missing(self):
        """What is missing, and not only for a moment, in words; "" if nothing is. It logs news.

        serves_neighbours: whether this node could still serve those in its own network.
        """
        now_s = boottime_s()
        before = self.history.index
        fault = self.fault(now_s)
        # One that has been a port is another: keepalived takes the end of that for the interface's.
        index = -self.index() if self.is_port else self.index()
        self.history.observe(now_s, fault, index)
        found = self.history.missing(now_s)
        self.way_out.observe(now_s, "" if found else self._shut_in(), 1)
        shut_in = self.way_out.missing(now_s)
        self.serves_neighbours = bool(shut_in)
        found = found or shut_in
        if bool(found) != bool(self.told):
            say("leaves the election: " + found if found else "is there again, what was missing")
        news = self.history.index != before or (self.told and not found)
        if not self.history.fault and (news or now_s - self.announced_s >= _ANNOUNCE_S):
            self.announced_s = now_s
            for own in self.own:
                announce(own, self.interface)
        self.told = found
        return found

    def until_judged_s(self):
        """In how many seconds that will be known."""
        now_s = boottime_s()
        judged_s = min(each.until_judged_s(now_s) for each in (self.history, self.way_out))
        # Of several changes one after the other the last is looked at in time, too.
        looked_s = self.observed_s + _PAUSE_S - now_s if self.changed else float("inf")
        return max(0.0, min(judged_s, looked_s))

    def index(self):
        """The interface's number; 0 where there is none."""
        try:
            return socket.if_nametoindex(self.interface)
        except OSError:
            return 0

    def fault(self, now_s):
        """What is missing, in words; "" if nothing is."""
        # Also where there is nothing to judge, or its news would never end.
        self.changed = bool(self.changes and self.changes.any_new()) or self.changed
        if not self.own:
            return ""  # an earlier version's unit does not say
        flapping = self.link.fault(now_s)
        if flapping:
            return flapping
        since_s = now_s - self.observed_s
        if since_s >= _OBSERVE_S or (self.changed and since_s >= _PAUSE_S):
            self.changed = False
            self.observed_s = now_s
            found = self._misplaced()
            if found is None:
                self.observed_s = now_s - _OBSERVE_S + _AGAIN_S
            else:
                self.misplaced = found
        if self.misplaced:
            return self.misplaced
        unusable = [own for own in self.own if not _has(own)]
        if unusable:
            return f"{unusable[0]} is not usable here"
        return self._cut_off()

    def _misplaced(self):
        """Which address is not where it should be, in words; None if nobody could tell."""
        if not self.index():
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

    def _cut_off(self):
        """That no other node has a route from here, if so."""
        ways = list(self._ways())
        if not ways or any(_has(own, other) for own, other in ways):
            return ""
        return f"there is no route from {', '.join(self.own)} to any other node"

    def _shut_in(self):
        """That it has no route to the rest of the world any more, as it had, if so."""
        for own in self.own:
            if _has(own, _ELSEWHERE[6 if ":" in own else 4]):
                self.had_way_out.add(own)
            elif own in self.had_way_out:
                return f"there is no route from {own} to other networks any more"
        return ""

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
