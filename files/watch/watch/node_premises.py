"""Observe what a node needs beside nginx to hold an address."""

import contextlib
import errno
import socket

from common.command_options import placed
from common.commands import run
from common.journal import say
from common.netlink import ADDRESSES, LINKS, Events, interface_index
from common.timing import boottime_s
from watch.premise_history import PremiseHistory

_ASK_TIMEOUT_S = 0.25
# `ip` is asked so often at the least, should the kernel not tell of a change; so long after an
# answer that it did not give; and no more often than that, whatever other interfaces come and go.
_OBSERVE_S = 5.0
_AGAIN_S = 1.0
_PAUSE_S = 0.05
# What shows that an address cannot be used, or that there is no route: not that this machine has
# no descriptor left, say.
_UNUSABLE = (errno.EADDRNOTAVAIL,)
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)
_DISCARD = 9  # the port whose datagrams are thrown away (RFC 863)


class NodePremises:
    """The node's own addresses, by which the others reach it, and the interfaces that have them."""

    def __init__(self, interface, own, others, grace_s):
        """own, others: addresses of this machine and of the other nodes where VIPs are, and where
        VRRP is spoken, with @INTERFACE behind them where it is another than `interface`."""
        self.sides = {interface: _Side(interface)}
        for addresses, kind in ((own, "own"), (others, "others")):
            for address, on in (placed(each, interface) for each in addresses):
                side = self.sides.setdefault(on, _Side(on))
                getattr(side, kind).append(address)
        self.history = PremiseHistory(grace_s)
        self.changes = None
        with contextlib.suppress(OSError):  # an earlier version's unit does not allow it
            self.changes = Events(ADDRESSES, LINKS)
        self.changed = True
        self.observed_s = float("-inf")
        self.told = ""

    def news(self):
        """What becomes readable when the kernel tells of a change."""
        return [self.changes.socket] if self.changes else []

    def missing(self):
        """What is missing, and not only for a moment, in words; "" if nothing is. It logs news."""
        now_s = boottime_s()
        before = self.history.indexes
        indexes = tuple(interface_index(each) for each in self.sides)
        self.history.observe(now_s, self.fault(now_s), indexes)
        found = self.history.missing(now_s)
        if bool(found) != bool(self.told):
            say("leaves the election: " + found if found else "is there again, what was missing")
        if self.history.indexes != before or (self.told and not found):
            for side in self.sides.values():
                side.introduce()
        self.told = found
        return found

    def until_judged_s(self):
        """In how many seconds that will be known."""
        return self.history.until_judged_s(boottime_s())

    def fault(self, now_s):
        """What is missing, in words; "" if nothing is."""
        # Also where there is nothing to judge, or its news would never end.
        self.changed = bool(self.changes and self.changes.any_new()) or self.changed
        sides = [side for side in self.sides.values() if side.own]
        if not sides:
            return ""  # an earlier version's unit does not say
        since_s = now_s - self.observed_s
        if since_s >= _OBSERVE_S or (self.changed and since_s >= _PAUSE_S):
            self.changed = False
            self.observed_s = now_s
            if not all([side.observe() for side in sides]):
                self.observed_s = now_s - _OBSERVE_S + _AGAIN_S
        misplaced = [side.misplaced for side in sides if side.misplaced]
        if misplaced:
            return misplaced[0]
        unusable = [own for side in sides for own in side.own if not _has(own)]
        if unusable:
            return f"{unusable[0]} is not usable here"
        return next(filter(None, (side.cut_off() for side in sides)), "")


class _Side:
    """An interface with the addresses there: this machine's own, and the others'."""

    def __init__(self, interface):
        self.interface = interface
        self.own = []
        self.others = []
        self.misplaced = ""

    def observe(self):
        """Look which address is not where it should be, in words; whether anybody could tell."""
        if not interface_index(self.interface):
            self.misplaced = f"there is no interface {self.interface}"
            return True
        words = ("ip", "-o", "address", "show", "dev", self.interface)
        shown = run(*words, timeout_s=_ASK_TIMEOUT_S)
        if shown.code:
            return False
        there = {words[3].partition("/")[0] for words in map(str.split, shown.output.splitlines())}
        away = [own for own in self.own if own not in there]
        self.misplaced = f"{away[0]} is not on {self.interface}" if away else ""
        return True

    def cut_off(self):
        """That no other node has a route from here, if so."""
        ways = list(self._ways())
        if not ways or any(_has(own, other) for own, other in ways):
            return ""
        return f"there is no route from {', '.join(self.own)} to any other node"

    def introduce(self):
        """Have the other nodes learn this one's MAC, which may be another now: they would go on
        sending their adverts to the one before. (Whoever asks for a MAC tells its own.)"""
        for own, other in self._ways():
            _has(own, other, b"tandem")

    def _ways(self):
        for other in self.others:
            for own in self.own:
                if (":" in own) == (":" in other):
                    yield own, other


def _has(own, other="", datagram=b""):
    """Whether this machine can send from the address `own`, and has a route from it to `other`;
    it sends nothing but the datagram."""
    family = socket.AF_INET6 if ":" in own else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((own, 0))
            if other:
                probe.connect((other, _DISCARD))
            if datagram:
                probe.send(datagram)
    except OSError as error:
        return error.errno not in _UNUSABLE + _NO_ROUTE
    return True
