"""Observe what a node needs beside nginx to hold an address."""

import socket

from common.commands import run
from common.journal import say
from common.netlink import ADDRESSES, LINKS, Events
from common.timing import boottime_s
from watch.premise_history import PremiseHistory

_ASK_TIMEOUT_S = 2.0
# `ip` is asked so often at the least, should the kernel not tell of a change.
_OBSERVE_S = 5.0
_DISCARD = 9  # the port whose datagrams are thrown away (RFC 863)


class NodePremises:
    """The node's own addresses, by which the others reach it, and the interface that has them."""

    def __init__(self, interface, own, others, grace_s):
        """own, others: the addresses that speak VRRP, of this machine and of the other nodes."""
        self.interface = interface
        self.own = own
        self.others = others
        self.history = PremiseHistory(grace_s)
        self.changes = Events(ADDRESSES, LINKS)
        self.misplaced = ""
        self.observed_s = None
        self.told = ""

    def missing(self):
        """What is missing, and not only for a moment, in words; "" if nothing is. It logs news."""
        now_s = boottime_s()
        before = self.history.index
        self.history.observe(now_s, self.fault(now_s), self.index())
        found = self.history.missing(now_s)
        if bool(found) != bool(self.told):
            say("leaves the election: " + found if found else "is there again, what was missing")
        if self.history.index != before or (self.told and not found):
            self._introduce()
        self.told = found
        return found

    def until_judged_s(self):
        """In how many seconds that will be known."""
        return self.history.until_judged_s(boottime_s())

    def index(self):
        """The interface's number; 0 where there is none."""
        try:
            return socket.if_nametoindex(self.interface)
        except OSError:
            return 0

    def fault(self, now_s):
        """What is missing, in words; "" if nothing is."""
        if not self.own:
            return ""  # an earlier version's unit does not say
        changed = self.changes.any_new()
        if changed or self.observed_s is None or now_s - self.observed_s >= _OBSERVE_S:
            self.misplaced = self._misplaced()
            self.observed_s = now_s
        if self.misplaced:
            return self.misplaced
        unusable = [own for own in self.own if not _has(own)]
        if unusable:
            return f"{unusable[0]} is not usable here"
        return self._cut_off()

    def _misplaced(self):
        if not self.index():
            return f"there is no interface {self.interface}"
        shown = run("ip", "-o", "address", "show", "dev", self.interface, timeout_s=_ASK_TIMEOUT_S)
        if shown.code:
            return ""  # no evidence
        there = {words[3].partition("/")[0] for words in map(str.split, shown.output.splitlines())}
        away = [own for own in self.own if own not in there]
        return f"{away[0]} is not on {self.interface}" if away else ""

    def _cut_off(self):
        """That no other node has a route from here, if so."""
        ways = list(self._ways())
        if not ways or any(_has(own, other) for own, other in ways):
            return ""
        return f"there is no route from {', '.join(self.own)} to any other node"

    def _introduce(self):
        """Have the other nodes learn this one's MAC, which may be another now: they would go on
        sending their adverts to the one before. (Whoever asks for a MAC tells its own.)"""
        for own, other in self._ways():
            _has(own, other, b"tandem")

    def _ways(self):
        for other in self.others:
            for own in self.own:
                if (":" in own) == (":" in other):
                    yield own, other


def _has(own, other="", text=b""):
    """Whether this machine can send from the address `own`, and has a route from it to `other`;
    it sends nothing but `text`."""
    family = socket.AF_INET6 if ":" in own else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((own, 0))
            if other:
                probe.connect((other, _DISCARD))
            if text:
                probe.send(text)
    except OSError:
        return False
    return True
