"""What a machine hears, and whom it reaches, on its network; asked before it is anybody's node.

    ask_network.py hear SECONDS              adverts of VRRP, and of CARP, which uses the same MACs
    ask_network.py who INTERFACE ADDRESS...  who has these addresses, by ARP and NDP
    ask_network.py serves ADDRESS...         which of these tell the time, and which take mail

Prints a line for each answer, and END last: without it, nothing is known. Needs root, as raw
sockets do, and leaves nothing behind.
"""

import contextlib
import os
import select
import socket
import struct
import sys
import threading
import time

END = "end"
VRRP = 112  # the protocol's number, from IANA; CARP has taken it, too
ADVERT = 1
SOLICITATION, ADVERTISEMENT = 135, b"\x88"
IP, IPV6, ARP = 0x0800, 0x86DD, 0x0806
GROUP, GROUP6 = "224.0.0.18", "ff02::12"
ASKED_TIMES, ASKED_EVERY_S = 3, 0.4
SERVES_WITHIN_S = 3.0
NTP_EPOCH = 2208988800  # 1970, in seconds since 1900


def join_groups():
    """Sockets by which the machine's interfaces, and its switches, let the adverts in."""
    joined = []
    for index, _ in socket.if_nameindex():
        for family, level, option, request in (
            (
                socket.AF_INET,
                socket.IPPROTO_IP,
                socket.IP_ADD_MEMBERSHIP,
                struct.pack("=4s4si", socket.inet_aton(GROUP), b"\0" * 4, index),
            ),
            (
                socket.AF_INET6,
                socket.IPPROTO_IPV6,
                socket.IPV6_JOIN_GROUP,
                struct.pack("=16si", socket.inet_pton(socket.AF_INET6, GROUP6), index),
            ),
        ):
            try:
                member = socket.socket(family, socket.SOCK_DGRAM)
                joined.append(member)
                member.setsockopt(level, option, request)
            except OSError:  # an interface without multicast, or without this family
                continue
    return joined


def advert_in(packet, ethertype):
    """(virtual router's number, sender) of an advert; None for any other packet."""
    if ethertype == IP and len(packet) > 20 and packet[9] == VRRP:
        source = socket.inet_ntop(socket.AF_INET, packet[12:16])
        body = packet[(packet[0] & 15) * 4 :]
    elif ethertype == IPV6 and len(packet) > 40 and packet[6] == VRRP:
        source = socket.inet_ntop(socket.AF_INET6, packet[8:24])
        body = packet[40:]
    else:
        return None
    if len(body) < 2 or body[0] & 15 != ADVERT:
        return None
    return body[1], source


def hear(seconds):
    """Each speaker once: "INTERFACE NUMBER SENDER"."""
    listening = [
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(kind))
        for kind in (IP, IPV6)
    ]
    joined = join_groups()
    heard = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select(listening, [], [], max(0, end - time.monotonic()))
        for each in ready:
            packet, origin = each.recvfrom(256)
            found = advert_in(packet, origin[1])
            if found:
                heard.add("{} {} {}".format(origin[0], *found))
    for each in listening + joined:
        each.close()
    return sorted(heard)


def bound(interface):
    """A socket for whole frames of ARP, and the MAC of the interface."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))
    wire.bind((interface, ARP))
    return wire, wire.getsockname()[4]


class ArpWire:
    """Asks for IPv4 addresses. From 0.0.0.0, so that nobody learns anything by it (RFC 5227)."""

    def __init__(self, interface):
        self.socket, self.own = bound(interface)

    def ask(self, packed):
        words = (1, IP, 6, 4, 1, self.own, b"\0" * 4, b"\0" * 6, packed)
        request = struct.pack("!HHBBH6s4s6s4s", *words)
        self.socket.send(b"\xff" * 6 + self.own + struct.pack("!H", ARP) + request)

    def heard(self):
        """(address, MAC) of whatever came in."""
        packet = self.socket.recv(128)
        return packet[28:32], packet[22:28]


class NeighbourWire:
    """Asks for IPv6 addresses, by a neighbour solicitation (RFC 4861, 4.3) to each one's group."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        self.index = socket.if_nametoindex(interface)
        wire, self.own = bound(interface)
        wire.close()

    def ask(self, packed):
        group = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + packed[13:]
        # With its own MAC (option 1): Linux answers nobody whom it would have to ask for it.
        request = struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + packed + b"\1\1" + self.own
        where = (socket.inet_ntop(socket.AF_INET6, group), 0, 0, self.index)
        self.socket.sendto(request, where)

    def heard(self):
        """(address, MAC) of an advertisement, which names its sender's card (option 2)."""
        packet = self.socket.recv(1600)
        if packet[:1] != ADVERTISEMENT or packet[24:26] != b"\2\1":
            return b"", b""
        return packet[8:24], packet[26:32]


def who(interface, addresses):
    """Who has them: "ADDRESS MAC" for each that says so; what nobody has is not there."""
    wires = {}
    for kind, family in ((ArpWire, socket.AF_INET), (NeighbourWire, socket.AF_INET6)):
        mine = [each for each in addresses if (":" in each) == (family == socket.AF_INET6)]
        if mine:
            with contextlib.suppress(OSError):  # no such family here
                wires[kind(interface)] = {socket.inet_pton(family, each): each for each in mine}
    owners = set()
    for _ in range(ASKED_TIMES):
        for wire, wanted in wires.items():
            for packed in wanted:
                with contextlib.suppress(OSError):  # no address to ask from
                    wire.ask(packed)
        end = time.monotonic() + ASKED_EVERY_S
        while time.monotonic() < end:
            listening = {wire.socket: wire for wire in wires}
            ready, _, _ = select.select(listening, [], [], max(0, end - time.monotonic()))
            for each in ready:
                wire = listening[each]
                address, mac = wire.heard()
                if address in wires[wire] and mac != wire.own:
                    owners.add((wires[wire][address], ":".join(map("{:02x}".format, mac))))
    for wire in wires:
        wire.socket.close()
    return sorted("{} {}".format(*found) for found in owners)


def offset_of(address):
    """Seconds by which the time server `address` is ahead of this machine. Raises OSError."""
    family, kind, _, _, where = socket.getaddrinfo(address, 123, type=socket.SOCK_DGRAM)[0]
    asking = socket.socket(family, kind)
    asking.settimeout(1)
    asked, began = time.time(), time.monotonic()
    asking.sendto(b"\x23" + b"\0" * 47, where)  # version 4, from a client
    answer = asking.recv(512)
    answered_half_way = asked + (time.monotonic() - began) / 2
    asking.close()
    unsynchronised = len(answer) < 48 or answer[0] >> 6 == 3 or not 1 <= answer[1] <= 15
    if unsynchronised or answer[0] & 7 != 4:
        raise OSError("no time server's answer")
    seconds, fraction = struct.unpack("!II", answer[40:48])
    return seconds - NTP_EPOCH + fraction / 2.0**32 - answered_half_way


def tells_time(address, told):
    try:
        told.append(f"{address} time {offset_of(address):.3f}")
    except OSError:
        return


def takes_mail(address, told):
    try:
        with socket.create_connection((address, 25), timeout=1) as asking:
            asking.settimeout(1)
            if asking.recv(512).startswith(b"220"):
                told.append(f"{address} mail")
                asking.sendall(b"QUIT\r\n")
    except OSError:
        return


def serves(addresses):
    """What each is: "ADDRESS time OFFSET", "ADDRESS mail"."""
    told = []
    asking = [
        threading.Thread(target=ask, args=(address, told), daemon=True)
        for address in addresses
        for ask in (tells_time, takes_mail)
    ]
    for each in asking:
        each.start()
    end = time.monotonic() + SERVES_WITHIN_S
    for each in asking:  # a name that cannot be resolved takes longer than anybody waits
        each.join(max(0, end - time.monotonic()))
    return sorted(told)


def main(words):
    what, given = words[0], words[1:]
    if what == "hear":
        lines = hear(float(given[0]))
    elif what == "who":
        lines = who(given[0], given[1:])
    else:
        lines = serves(given)
    print("\n".join([*lines, END]))
    sys.stdout.flush()
    os._exit(0)  # without those that still wait


if __name__ == "__main__":
    main(sys.argv[1:])
