"""The kernel's own notice that an address, an interface or a table of nftables has changed, and
which interface it is: one that was made anew has another number."""

import socket

# Protocol and groups. linux/rtnetlink.h: RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR; RTMGRP_LINK.
ADDRESSES = (getattr(socket, "NETLINK_ROUTE", 0), 0x10 | 0x100)
LINKS = (ADDRESSES[0], 0x1)
# linux/netfilter/nfnetlink.h: NETLINK_NETFILTER, group 7.
TABLES = (12, 1 << 6)


class Events:
    """A socket that becomes readable when something of these kinds has changed."""

    def __init__(self, *kinds):
        """kinds: of one protocol. Raises OSError where the kernel does not let us listen."""
        protocol, groups = kinds[0][0], 0
        for _, group in kinds:
            groups |= group
        flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        self.socket = socket.socket(socket.AF_NETLINK, flags, protocol)
        self.socket.bind((0, groups))

    def any_new(self):
        """Whether something has changed since this was last asked."""
        found = False
        while True:
            try:
                self.socket.recv(65536)
            except BlockingIOError:
                return found
            except OSError:
                pass  # more than fitted into its buffer: something has changed
            found = True


def interface_index(interface):
    """The interface's number; 0 where there is none."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0
