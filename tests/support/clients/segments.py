"""TCP segments: made by hand, and as they travel on the wires."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import time
from dataclasses import dataclass, replace

PORT = 80
ETH_P_ALL = 3
ACK, RST, SYN, FIN = 0x10, 0x04, 0x02, 0x01
MESH_PORT = 7113


def segment(source: str, target: str, flags: int, port: int = 45678) -> bytes:
    """A TCP segment that belongs to no connection."""
    header = struct.pack("!HHIIBBHHH", port, PORT, 1000, 2000, 5 << 4, flags, 1024, 0, 0)
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, target)
    data = addresses + struct.pack("!HH", socket.IPPROTO_TCP, len(header)) + header
    return header[:16] + struct.pack("!H", checksum(data)) + header[18:]


def checksum(data: bytes) -> int:
    """The internet's (RFC 1071), of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True)
class Frame:
    """A TCP segment on a cable: when, out of which port of the bridge it came, and what it is.

    mesh: whether it was inside VXLAN, on its way from node to node.
    """

    at_s: float
    port: str
    source: str
    target: str
    ports: tuple[int, int]
    flags: int
    dscp: int
    mesh: bool = False


class Sniffer:
    """What comes out of the machines' cables, each frame once."""

    def __init__(self, tap: socket.socket):
        self._tap = tap

    def frames(self, port: int, seconds: float) -> list[Frame]:
        """TCP segments of a client's port, for so long."""
        found: list[Frame] = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._tap.settimeout(left)
            with contextlib.suppress(TimeoutError):
                data, (name, _, kind, _, _) = self._tap.recvfrom(65536)
                if kind != socket.PACKET_OUTGOING and name.startswith("port"):
                    frame = _parsed(data, name)
                    if frame and port in frame.ports:
                        found.append(frame)
        return found


def _parsed(data: bytes, port: str) -> Frame | None:
    kind, packet = data[12:14], data[14:]
    if kind == b"\x08\x00" and packet[9] == socket.IPPROTO_TCP:
        family, addresses, start = socket.AF_INET, (12, 16, 20), (packet[0] & 15) * 4
        dscp = packet[1] >> 2
    elif kind == b"\x86\xdd" and packet[6] == socket.IPPROTO_TCP:
        family, addresses, start = socket.AF_INET6, (8, 24, 40), 40
        dscp = int.from_bytes(packet[:2], "big") >> 6 & 63
    elif kind == b"\x08\x00" and packet[9] == socket.IPPROTO_UDP:
        udp = packet[(packet[0] & 15) * 4 :]
        if udp[2:4] != struct.pack("!H", MESH_PORT):
            return None
        inner = _parsed(udp[16:], port)
        return inner and replace(inner, mesh=True)
    else:
        return None
    source, target = (
        socket.inet_ntop(family, packet[begin:end]) for begin, end in itertools.pairwise(addresses)
    )
    ports = struct.unpack("!HH", packet[start : start + 4])
    return Frame(time.monotonic(), port, source, target, ports, packet[start + 13], dscp)
