"""What a machine hears, and whom it reaches, on its network; asked before it is anybody's node.

    ask_network.py hear SECONDS              adverts of VRRP, and of CARP, which uses the same MACs
    ask_network.py who INTERFACE ADDRESS...  who has these IPv4 addresses, by ARP
    ask_network.py serves ADDRESS...         which of these tell the time, and which take mail

Prints a line for each answer, and END last: without it, nothing is known. Needs root, as raw
sockets do, and leaves nothing behind.
"""

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


def who(interface, addresses):
    """Who has them: "ADDRESS MAC"; an address of which nobody says so is not among them."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))
    wire.bind((interface, ARP))
    own = wire.getsockname()[4]
    wanted = {socket.inet_aton(address): address for address in addresses}
    owners = {}
    for _ in range(ASKED_TIMES):
        for packed in wanted:
            # From 0.0.0.0, so that nobody learns anything by it (RFC 5227).
            ask = struct.pack("!HHBBH6s4s6s4s", 1, IP, 6, 4, 1, own, b"\0" * 4, b"\0" * 6, packed)
            wire.send(b"\xff" * 6 + own + struct.pack("!H", ARP) + ask)
        end = time.monotonic() + ASKED_EVERY_S
        while time.monotonic() < end:
            ready, _, _ = select.select([wire], [], [], max(0, end - time.monotonic()))
            packet = wire.recv(128) if ready else b""
            sender = packet[28:32]
            if sender in wanted and packet[22:28] != own:
                owners[wanted[sender]] = ":".join(map("{:02x}".format, packet[22:28]))
    wire.close()
    return sorted("{} {}".format(*found) for found in owners.items())


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
