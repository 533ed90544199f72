"""What a node says to the others: that it is there, and whether it serves new connections."""

import contextlib
import os
import socket

from common.machine_files import read
from handover.mesh_addresses import ALIVE_PORT, SERVES_PORT, address


class MeshBeats:
    """failed: the watch's file, 0 in it: nginx serves. drained: there while the node is drained."""

    def __init__(self, place, peers, failed, drained):
        self.place, self.peers = place, peers
        self.failed, self.drained = failed, drained
        self.senders = {}

    def serves(self):
        return read(self.failed) == "0" and not os.path.exists(self.drained)

    def send(self, index):
        """index: the mesh's interface's number."""
        port = SERVES_PORT if self.serves() else ALIVE_PORT
        for family in (4, 6):
            sender = self._sender(family, index)
            if sender is None:
                continue
            for place in self.peers:
                target = (address(place, family), port)
                if family == 6:
                    target = (*target, 0, index)
                with contextlib.suppress(OSError):  # no way there: then nobody needs to hear it
                    sender.sendto(b"tandem", target)

    def _sender(self, family, index):
        """A socket that sends through the mesh; None where there is no such address (yet)."""
        known = self.senders.get(family)
        if known and known[0] == index:
            return known[1]
        if known:
            known[1].close()
            del self.senders[family]
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        try:
            sender = socket.socket(kind, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            own = (address(self.place, family), 0)
            sender.bind(own if family == 4 else (*own, 0, index))
        except OSError:
            return None
        self.senders[family] = index, sender
        return sender
