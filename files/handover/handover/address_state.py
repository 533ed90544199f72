"""Decide what a node does for one address that moves. Pure."""

import re

FOREVER = float("inf")

# The other nodes believe a beat for 0.6 s: until then they may send a segment here.
QUIET_S = 1.0
# The kernel takes the address off `lo` by itself so long after the window, should nobody else do.
MARGIN_S = 5.0


class AddressState:
    """What this node does for one address. The time and what was observed are passed in."""

    NOTHING, HAVE, LET_GO, FORGET, CUT = "nothing", "have", "let go", "forget", "cut"

    def __init__(self, window_s):
        self.window_s = window_s
        self.idle_since_s = None
        self.beats = False

    def decide(self, now_s, holds, left_s, connections):
        """The step to take now; `beats` is afterwards whether the others may send segments here.

        left_s: for how long the address is going to be on `lo`; None where it is not there.
        connections: whether any lives here; it matters once the address has left.
        """
        if holds or left_s is None:
            self.idle_since_s = None
            self.beats = holds and self.window_s > 0
            return self.HAVE if holds and left_s != FOREVER else self.NOTHING
        if self.window_s == 0 or left_s <= MARGIN_S:
            self.beats = False
            return self.CUT
        if connections:
            self.idle_since_s = None
        elif self.idle_since_s is None:
            self.idle_since_s = now_s
        self.beats = self.idle_since_s is None
        if left_s == FOREVER:
            return self.LET_GO
        if not self.beats and now_s - self.idle_since_s >= QUIET_S:
            return self.FORGET
        return self.NOTHING


def parse_addresses(text, interface):
    """(whether `interface` has the address, for how long `lo` will, in seconds; None: it has not)

    text: of `ip -o address show to ADDRESS`.
    """
    holds, left_s = False, None
    for line in text.splitlines():
        name = line.split()[1]
        if name == interface:
            holds = True
        elif name == "lo":
            lifetime = re.search(r"valid_lft (\d+)sec", line)
            left_s = float(lifetime.group(1)) if lifetime else FOREVER
    return holds, left_s
