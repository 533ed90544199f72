"""Tell systemd that this program goes on: one that does not, it ends and starts anew (its unit's
`WatchdogSec=`)."""

import contextlib
import os
import socket
import time

EVERY_S = 1.0


class Watchdog:
    """Silent where nobody asked for it, as without systemd."""

    def __init__(self, address=None):
        """address: of systemd's socket; a leading @ stands for an abstract one."""
        given = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self.address = "\0" + given[1:] if given.startswith("@") else given
        self.said_s = float("-inf")

    def goes_on(self):
        """Said once a second at the most."""
        now_s = time.monotonic()
        if not self.address or now_s - self.said_s < EVERY_S:
            return
        # (No descriptor left, say: the next round says it.)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)  # its queue may be full
            to.sendto(b"WATCHDOG=1", self.address)
            self.said_s = now_s
