"""Whether another node says that it serves, by the beats in the mesh of a routed cluster."""

import socket
import struct

from common.journal import say
from common.netlink import interface_index
from watch.mesh_addresses import DEVICE, SERVES_PORT

# As long as nodes believe each other's beats, of which ten come in a second.
BELIEVED_S = 0.6
# linux/in.h: IP_PKTINFO, a structure that begins with the number of the interface.
IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)
_LONGEST = 64


class ServingNodes:
    """Hears what the hand-over of each other node says while routers hear that it serves.

    An nginx that answers is not enough: its node may be drained as well, or have no router that
    listens, and who relied on it would leave the address to nobody.
    """

    def __init__(self, port=SERVES_PORT):
        self.heard_s = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        try:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            self.socket.bind(("", port))
        except OSError as error:
            # Then nobody is heard, and a drained node stays behind all others.
            say(f"UDP {port}, on which nodes say that they serve: {error.strerror}")

    def any(self, now_s):
        """Whether one has said so lately."""
        if self._has_come():
            self.heard_s = now_s
        return self.heard_s is not None and now_s - self.heard_s < BELIEVED_S

    def _has_come(self):
        found, mesh = False, interface_index(DEVICE)
        while True:
            try:
                _, notes, _, _ = self.socket.recvmsg(_LONGEST, socket.CMSG_SPACE(12))
            except OSError:
                return found
            for level, kind, data in notes:
                if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
                    # Nobody else's word counts than one that came through the mesh.
                    found = found or struct.unpack("=i", data[:4])[0] == mesh != 0
