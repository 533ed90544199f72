"""Observe what a node needs beside nginx to hold an address."""

import contextlib

from common.command_options import placed
from common.journal import say
from common.netlink import ADDRESSES, LINKS, Events
from common.timing import boottime_s
from watch.premises.interface_premises import InterfacePremises
from watch.premises.premise_history import PremiseHistory

# `ip` is asked so often at the least, should the kernel not tell of a change; so long after an
# answer that it did not give; and no more often than that, whatever other interfaces come and go.
_OBSERVE_S = 5.0
_AGAIN_S = 1.0
_PAUSE_S = 0.05
# So often the network is told who has this machine's own address, as it is of the VIP: another MAC
# that somebody has learnt (of a stranger with the same address, of the card before) would take the
# adverts to this node away.
_ANNOUNCE_S = 1.0


class NodePremises:
    """The node's own addresses, by which the others reach it, and the interfaces that have them."""

    def __init__(self, interface, own, others, grace_s, whom="other node"):
        """own, others: addresses of this machine and of the other nodes where VIPs are, and where
        VRRP is spoken, with @INTERFACE behind them where it is another than `interface`. In a
        routed cluster the others are its routers, as `whom` says."""
        self.interfaces = {interface: InterfacePremises(interface, whom)}
        for addresses, kind in ((own, "own"), (others, "others")):
            for address, on in (placed(each, interface) for each in addresses):
                found = self.interfaces.setdefault(on, InterfacePremises(on, whom))
                getattr(found, kind).append(address)
        self.history = PremiseHistory(grace_s)
        self.way_out = PremiseHistory(grace_s)
        self.serves_neighbours = False
        self.announced_s = float("-inf")
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
        """What is missing, and not only for a moment, in words; "" if nothing is. It logs news.

        serves_neighbours: whether this node could still serve those in its own network.
        """
        now_s = boottime_s()
        before = self.history.indexes
        fault = self.fault(now_s)
        indexes = tuple(each.index() for each in self.interfaces.values())
        self.history.observe(now_s, fault, indexes)
        found = self.history.missing(now_s)
        self.way_out.observe(now_s, "" if found else self._first("shut_in"), indexes)
        shut_in = self.way_out.missing(now_s)
        self.serves_neighbours = bool(shut_in)
        found = found or shut_in
        if bool(found) != bool(self.told):
            say("leaves the election: " + found if found else "is there again, what was missing")
        news = self.history.indexes != before or (self.told and not found)
        if not self.history.fault and (news or now_s - self.announced_s >= _ANNOUNCE_S):
            self.announced_s = now_s
            for each in self.interfaces.values():
                each.announce()
        self.told = found
        return found

    def until_judged_s(self):
        """In how many seconds that will be known."""
        now_s = boottime_s()
        judged_s = min(each.until_judged_s(now_s) for each in (self.history, self.way_out))
        # Of several changes one after the other the last is looked at in time, too.
        looked_s = self.observed_s + _PAUSE_S - now_s if self.changed else float("inf")
        return max(0.0, min(judged_s, looked_s))

    def fault(self, now_s):
        """What is missing, in words; "" if nothing is."""
        # Also where there is nothing to judge, or its news would never end.
        self.changed = bool(self.changes and self.changes.any_new()) or self.changed
        judged = [each for each in self.interfaces.values() if each.own]
        if not judged:
            self.changed = False
            return ""  # an earlier version's unit does not say
        flapping = [each.link.fault(now_s) for each in judged]
        since_s = now_s - self.observed_s
        if since_s >= _OBSERVE_S or (self.changed and since_s >= _PAUSE_S):
            self.changed = False
            self.observed_s = now_s
            if not all([each.observe() for each in judged]):
                self.observed_s = now_s - _OBSERVE_S + _AGAIN_S
        found = (self._first(what) for what in ("misplaced", "unusable", "cut_off"))
        return next(filter(None, (*flapping, *found)), "")

    def _first(self, what):
        """What an interface's `what` says first, in words; "" if none says anything."""
        said = (getattr(each, what)() for each in self.interfaces.values())
        return next(filter(None, said), "")
