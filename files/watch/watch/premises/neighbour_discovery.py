"""Ask the network whether another machine has an address, and tell it who has one: ARP, and NDP for
IPv6."""

import contextlib
import socket
import struct
import time

ARP = 0x0806
SOLICITATION, ADVERTISEMENT, HOP_LIMIT = 135, 136, 255
# Of an advertisement that nobody asked for: it replaces what was known.
OVERRIDE = 0x20000000


def is_local(address):
    """Whether this machine has the address, on whatever interface."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return True
    return False


def held_elsewhere(address, other, interface, timeout_s):
    """Whether another machine answers that it has the address; `other` is any of them."""
    try:
        if ":" in address:
            return _solicit(address, interface, timeout_s)
        return _request_arp(address, other, interface, timeout_s)
    except OSError:
        return False


class OwnAddresses:
    """Has whoever knows a MAC of this machine's addresses on an interface know the right one."""

    def __init__(self, interface):
        self.interface = interface
        self.index = 0
        self.card = None

    def announce(self, own):
        """own: one of them."""
        with contextlib.suppress(OSError):
            mac = self._mac()
            if ":" in own:
                _advertise(own, self.index, mac)
            else:
                address = socket.inet_aton(own)
                # A gratuitous request (RFC 5227, 3).
                request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address
                request += bytes(6) + address
                self.card.sendto(request, (self.interface, ARP, 0, 1, b"\xff" * 6))

    def _mac(self):
        """The interface's, by a socket that is kept: to close one takes some ten milliseconds."""
        index = socket.if_nametoindex(self.interface)
        if index != self.index:
            if self.card:
                self.card.close()
            self.card, self.index = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM), index
            self.card.bind((self.interface, ARP))
        return self.card.getsockname()[4]


def _advertise(own, index, mac):
    """An unsolicited advertisement (RFC 4861, 4.4) to all nodes."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as packets:
        packets.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
        packets.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        packets.bind((own, 0, 0, index))
        told = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, OVERRIDE)
        told += socket.inet_pton(socket.AF_INET6, own) + b"\2\1" + mac
        packets.sendto(told, ("ff02::1", 0, 0, index))


def _request_arp(address, other, interface, timeout_s):
    wanted = socket.inet_aton(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as towards:
        towards.connect((other, ARP))
        own = socket.inet_aton(towards.getsockname()[0])
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ARP)) as packets:
        packets.bind((interface, ARP))
        mac = packets.getsockname()[4]
        request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + own + bytes(6) + wanted
        packets.sendto(request, (interface, ARP, 0, 1, b"\xff" * 6))
        return _receives(packets, timeout_s, lambda answer: answer[14:18] == wanted)


def _solicit(address, interface, timeout_s):
    """A neighbour solicitation (RFC 4861, 4.3) to the address's own group."""
    wanted = socket.inet_pton(socket.AF_INET6, address)
    group = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + wanted[13:]
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as packets:
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        packets.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
        packets.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        # With its own MAC (option 1): Linux answers nobody whom it would have to ask for it.
        request = struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + wanted + b"\1\1" + _mac(interface)
        packets.sendto(request, (socket.inet_ntop(socket.AF_INET6, group), 0, 0, index))
        return _receives(
            packets,
            timeout_s,
            lambda answer: answer[0] == ADVERTISEMENT and answer[8:24] == wanted,
        )


def _mac(interface):
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as card:
        card.bind((interface, ARP))
        return card.getsockname()[4]


def _receives(packets, timeout_s, is_answer):
    """Whether such a packet arrives within the time. Raises OSError (timeout) if nothing does."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        packets.settimeout(max(0.001, deadline_s - time.monotonic()))
        if is_answer(packets.recv(1600)):
            return True
    return False
