"""Judge what a node needs beside nginx to hold an address: own addresses, interfaces. Pure.

Times are those of CLOCK_BOOTTIME, as the kernel has them of processes, too.
"""

# A process that the kernel started so long after a change may have looked before it.
MARGIN_S = 0.5


class PremiseHistory:
    """What was missing, and since when the interfaces are those that they are.

    What is missing for less than `grace_s` is not: a lease that is renewed takes an address away
    and gives it back within milliseconds.
    """

    def __init__(self, grace_s):
        self.grace_s = grace_s
        self.fault = ""
        self.missing_since_s = None
        self.began_s = None  # of what is missing: before this program, if it was so at its start
        self.indexes = None
        self.indexes_since_s = None
        self.ended = None

    def observe(self, now_s, fault, indexes):
        """fault: what is missing now, in words, "" for nothing; indexes: a tuple of the interfaces'
        numbers, 0 for none."""
        first = self.indexes is None
        if fault and self.missing_since_s is None:
            self.missing_since_s = now_s
            self.began_s = float("-inf") if first else now_s
        elif not fault and self.missing_since_s is not None:
            if now_s - self.missing_since_s >= self.grace_s:
                self.ended = (self.began_s, now_s)
            self.missing_since_s = None
        self.fault = fault
        # One that is away keeps the number that it had.
        known = tuple(new or old for old, new in zip(self.indexes or indexes, indexes))
        if not first and known != self.indexes:
            self.indexes_since_s = now_s
        self.indexes = known

    def missing(self, now_s):
        """What is missing for longer than can be waited for, in words; "" if nothing is."""
        if self.missing_since_s is None or now_s - self.missing_since_s < self.grace_s:
            return ""
        return self.fault

    def until_judged_s(self, now_s):
        """In how many seconds that is known; infinite where there is nothing to wait for."""
        if self.missing_since_s is None or self.missing(now_s):
            return float("inf")
        return self.missing_since_s + self.grace_s - now_s

    def outlived(self, began_s):
        """Why a keepalived that was started at `began_s` cannot take part any more and has to be
        started anew, in words; "" if it can, or while that would not help.

        keepalived 2.2 opens the sockets of its unicast once, when it starts: on an interface that
        is made anew it stays deaf, and it stays in FAULT for good where its own address was not
        there.
        """
        if self.fault:
            return ""
        if self.indexes_since_s is not None and began_s < self.indexes_since_s + MARGIN_S:
            return "its interface was made anew"
        if self.ended and self.ended[0] - MARGIN_S <= began_s <= self.ended[1] + MARGIN_S:
            return "it was started before this machine's address was there"
        return ""
