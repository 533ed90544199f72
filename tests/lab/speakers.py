"""Strangers for the self-test: somebody who speaks VRRP, and a time server that is wrong.

speakers.py vrrp SOURCE VIP VRID PRIORITY     an advert every 0.5 s, VRRPv2, without our secret
speakers.py ntp AHEAD_S                       answers on UDP 123; runs on a machine, needs nothing
"""

import socket
import struct
import sys
import time

NTP_EPOCH = 2208988800  # 1970 in NTP's time


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def vrrp(source: str, vip: str, vrid: str, priority: str) -> None:
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sender.bind((source, 0))
    fields = (0x21, int(vrid), int(priority), 1, 1, 1)
    address, secret = socket.inet_aton(vip), b"stranger"
    head = struct.pack("!6B", *fields)
    total = checksum(head + b"\0\0" + address)
    advert = head + struct.pack("!H", total) + address + secret
    while True:
        sender.sendto(advert, ("224.0.0.18", 0))
        time.sleep(0.5)


def ntp(ahead_s: str) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", 123))
    while True:
        question, client = server.recvfrom(512)
        now = time.time() + NTP_EPOCH + float(ahead_s)
        stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
        head = struct.pack("!BBbb11s", 0x24, 2, 6, -20, b"\0\0\0\0\0\0\0\0LOC")
        answer = head.ljust(16, b"\0") + stamp + question[40:48] + stamp + stamp
        server.sendto(answer, client)


if __name__ == "__main__":
    if sys.argv[1] == "vrrp":
        vrrp(*sys.argv[2:])
    else:
        ntp(*sys.argv[2:])
