"""Who speaks VRRP over IPv6 on this network, whose MAC answers for the VIP? Listens, asks twice.

    python3 vrrp_listener6.py INTERFACE OWN_ADDRESS VIP SECONDS [VRRP'S_INTERFACE]

Prints what vrrp_listener.py prints: "vrrp SOURCE VERSION VRID PRIORITY", for NDP "arp MAC", and
last "heard LINES". Runs on the machines, with whatever Python 3 they have and nothing else.
"""

import select
import socket
import struct
import sys
import time

interface, own, vip, seconds = sys.argv[1:5]
spoken = sys.argv[5] if len(sys.argv) > 5 else interface
ETH_IPV6, VRRP, ICMPV6, SOLICIT, ADVERTISE, HOPS = 0x86DD, 112, 58, 135, 136, 255
with open(f"/sys/class/net/{interface}/address") as f:
    mac = bytes.fromhex(f.read().strip().replace(":", ""))
index = socket.if_nametoindex(interface)
wanted = socket.inet_pton(socket.AF_INET6, vip)

# Every IPv6 packet as it arrives, before any filter: strangers that are turned away are heard, too.
wires = {}
for name in {interface, spoken}:
    wires[name] = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_IPV6))
    wires[name].bind((name, ETH_IPV6))
# VRRP's group: strangers speak there, also where we speak by unicast.
member = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
group = struct.pack(
    "16si", socket.inet_pton(socket.AF_INET6, "ff02::12"), socket.if_nametoindex(spoken)
)
member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)

# A neighbour solicitation (RFC 4861, 4.3), which the kernel adds its checksum to.
ask = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
ask.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOPS)
ask.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
ask.bind((own, 0))
question = struct.pack("!BBHI16sBB6s", SOLICIT, 0, 0, 0, wanted, 1, 1, mac)
near = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + wanted[13:]
asked = (socket.inet_ntop(socket.AF_INET6, near), 0, 0, index)

heard = 0
for wait in (0.2, float(seconds) - 0.2):
    ask.sendto(question, asked)
    end = time.monotonic() + wait
    while end > time.monotonic():
        ready = select.select(list(wires.values()), [], [], max(0, end - time.monotonic()))[0]
        if not ready:
            continue
        packet, sender = ready[0].recvfrom(1600)
        if sender[2] == socket.PACKET_OUTGOING or len(packet) < 48:
            continue
        source, body = socket.inet_ntop(socket.AF_INET6, packet[8:24]), packet[40:]
        if sender[0] == spoken and packet[6] == VRRP and body[0] % 16 == 1:
            print("vrrp", source, body[0] >> 4, body[1], body[2])
            heard += 1
        answers = packet[6] == ICMPV6 and body[0] == ADVERTISE and body[8:24] == wanted
        if sender[0] == interface and answers:
            # With the option "target link-layer address" as a rule, else as the packet came.
            found = body[26:32] if body[24:26] == b"\x02\x01" else sender[4]
            print("arp", ":".join(f"{byte:02x}" for byte in found))
            heard += 1
print("heard", heard)
