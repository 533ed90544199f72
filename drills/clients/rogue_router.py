"""A stranger that speaks VRRP as our virtual router, louder than any of our machines may.

    [VRRP_SECRET=…] python rogue_router.py SOURCE VIP VRID VERSION INTERVAL_S SECONDS NODE …

VRRPv2's password is not among the words, where everybody on this machine could read it.
Adverts of priority 255, "I own the address", to the multicast group and to each node. A program of
its own that imports nothing of Tandem's: it sends what a foreign machine would send.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time

PROTOCOL = 112
GROUP, GROUP6 = "224.0.0.18", "ff02::12"
HIGHEST = 255
ADVERT = 1
SIMPLE_PASSWORD = 1


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def checksum(data: bytes) -> int:
    """The Internet's checksum, RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def advert(
    source: str, target: str, *, vip: str, vrid: int, version: int, interval_s: float, secret: str
) -> bytes:
    """An advert of priority 255: VRRPv3 as RFC 5798 has it, VRRPv2 as RFC 2338, with a password."""
    family = family_of(source)
    address = socket.inet_pton(family, vip)
    head = struct.pack("!BBBB", version << 4 | ADVERT, vrid, HIGHEST, 1)
    if version == 2:
        timing = struct.pack("!BB", SIMPLE_PASSWORD, max(1, round(interval_s)))
        password = secret.encode().ljust(8, b"\0")
        # The whole message, with the password: keepalived ignores what is summed up without it.
        total = checksum(head + timing + b"\0\0" + address + password)
        return head + timing + struct.pack("!H", total) + address + password
    timing = struct.pack("!H", round(interval_s * 100))
    whole = head + timing + b"\0\0" + address
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
    # RFC 5798, 5.2.8; for IPv6 both numbers have 32 bits (RFC 8200, 8.1).
    numbers = struct.pack("!HH" if family == socket.AF_INET else "!II", PROTOCOL, len(whole))
    total = checksum(ends + numbers + whole)
    return head + timing + struct.pack("!H", total) + address


def main(
    source: str,
    vip: str,
    vrid: str,
    version: str,
    interval_s: str,
    seconds: str,
    *nodes: str,
) -> None:
    sender = socket.socket(family_of(source), socket.SOCK_RAW, PROTOCOL)
    if sender.family == socket.AF_INET:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
    else:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
    sender.bind((source, 0))
    group = GROUP if sender.family == socket.AF_INET else GROUP6
    packets = {
        target: advert(
            source,
            target,
            vip=vip,
            vrid=int(vrid),
            version=int(version),
            interval_s=float(interval_s),
            secret=os.environ.get("VRRP_SECRET", ""),
        )
        for target in (group, *nodes)
    }
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        for target, packet in packets.items():
            sender.sendto(packet, (target, 0))
        time.sleep(float(interval_s))


if __name__ == "__main__":
    main(*sys.argv[1:])
