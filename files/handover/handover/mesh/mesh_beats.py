"""What a node says to the others: that it is there, and whether it serves new connections."""

import contextlib
import os
import socket

from common.machine_files import read
from handover.mesh_addresses import ALIVE_PORT, PAUSES_PORT, SERVES_PORT, addresses


class MeshBeats:
    """own, peers: nodes' own addresses. failed, announced: the watch's files, 0 in the first: nginx
    serves; 1 in the second: routers hear that it does. drained: files of which one is there while
    the node is drained."""

    def __init__(self, own, peers, failed, announced, drained):
        self.own, self.peers = own, peers
        self.called = {version: addresses([own, *peers], version) for version in (4, 6)}
        self.failed, self.announced, self.drained = failed, announced, drained
        self.senders = {}

    def serves(self):
        heard = read(self.failed) == "0" and read(self.announced) == "1"
        return heard and not any(map(os.path.exists, self.drained))

    def send(self, index, pauses=False):
        """index: the mesh's interface's number. pauses: the last one for a moment."""
        port = SERVES_PORT if self.serves() else ALIVE_PORT
        port = PAUSES_PORT if pauses else port
        for family in (4, 6):
            sender = self._sender(family, index)
            if sender is None:
                continue
            for peer in self.peers:
                target = (self.called[family][peer], port)
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
            own = (self.called[family][self.own], 0)
            sender.bind(own if family == 4 else (*own, 0, index))
        except OSError:
            return None
        self.senders[family] = index, sender
        return sender
