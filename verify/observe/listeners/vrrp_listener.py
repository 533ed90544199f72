"""Who speaks VRRP on this network, and whose MAC answers for the VIP? Listens, and asks twice.

    python3 vrrp_listener.py INTERFACE OWN_ADDRESS VIP SECONDS [VRRP'S_INTERFACE]

Prints "vrrp SOURCE VERSION VRID PRIORITY" and "arp MAC", a line for each; last "heard LINES".
Runs on the machines, with whatever Python 3 they have and nothing else.
"""

import select
import socket
import struct
import sys
import time

interface, own, vip, seconds = sys.argv[1:5]
spoken = sys.argv[5] if len(sys.argv) > 5 else interface
ETH_ARP = 0x0806
with open(f"/sys/class/net/{interface}/address") as f:
    mac = bytes.fromhex(f.read().strip().replace(":", ""))
vrrp = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
vrrp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, spoken.encode())
# VRRP's group: strangers speak there, also where we speak by unicast.
group = struct.pack("4s4si", socket.inet_aton("224.0.0.18"), b"", socket.if_nametoindex(spoken))
vrrp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
arp = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_ARP))
arp.bind((interface, ETH_ARP))
question = struct.pack(
    "!HHBBH6s4s6x4s", 1, 0x0800, 6, 4, 1, mac, socket.inet_aton(own), socket.inet_aton(vip)
)
heard = 0
for wait in (0.2, float(seconds) - 0.2):
    arp.sendto(question, (interface, ETH_ARP, 0, 1, b"\xff" * 6))
    end = time.monotonic() + wait
    while end > time.monotonic():
        ready = select.select([vrrp, arp], [], [], max(0, end - time.monotonic()))[0]
        if vrrp in ready:
            packet = vrrp.recv(1600)
            kind, vrid, priority = struct.unpack_from("3B", packet, (packet[0] & 15) * 4)
            if kind % 16 == 1:
                print("vrrp", socket.inet_ntoa(packet[12:16]), kind >> 4, vrid, priority)
                heard += 1
        if arp in ready:
            packet = arp.recv(1600)
            if packet[14:18] == socket.inet_aton(vip):
                print("arp", ":".join(f"{byte:02x}" for byte in packet[8:14]))
                heard += 1
print("heard", heard)
