"""What the rogue sends is what keepalived would believe, if nothing kept it away."""

from __future__ import annotations

import socket
import struct

import pytest

from drills.clients import rogue_router

SOURCE, TARGET, VIP = "172.16.0.1", "172.16.12.61", "172.16.12.254"


def said(version: int) -> bytes:
    return rogue_router.advert(
        SOURCE,
        TARGET,
        vip=VIP,
        vrid=61,
        version=version,
        interval_s=1 if version == 2 else 0.05,
        secret="nginxpas",
    )


@pytest.mark.parametrize("version", [2, 3])
def test_it_claims_our_address_with_the_highest_priority(version: int) -> None:
    packet = said(version)
    assert packet[:4] == bytes([version << 4 | 1, 61, 255, 1])
    assert packet[8:12] == socket.inet_aton(VIP)


def test_its_sum_is_right_for_vrrpv3_with_the_pseudo_header() -> None:
    packet = said(3)
    assert struct.unpack("!H", packet[4:6]) == (5,)
    pseudo = socket.inet_aton(SOURCE) + socket.inet_aton(TARGET)
    assert rogue_router.checksum(pseudo + struct.pack("!HH", 112, len(packet)) + packet) == 0


def test_its_sum_is_right_for_vrrpv2_with_the_password() -> None:
    packet = said(2)
    assert packet[4:6] == bytes([1, 1]) and packet[12:] == b"nginxpas"
    assert rogue_router.checksum(packet) == 0
