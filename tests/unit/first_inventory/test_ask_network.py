"""The program that listens on a machine: what it takes for an advert."""

from __future__ import annotations

import importlib.util
import socket
import struct
from typing import Any

import pytest

from controller.rendering import FILES
from first_inventory import findings

PATH = FILES / "first_inventory" / "ask_network.py"


@pytest.fixture(scope="module")
def program() -> Any:
    spec = importlib.util.spec_from_file_location("ask_network", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ipv4(body: bytes, *, protocol: int = 112, options: bytes = b"") -> bytes:
    head = bytes([0x40 | (5 + len(options) // 4), 0]) + struct.pack("!H", 20 + len(body))
    addresses = socket.inet_aton("10.20.0.2") + socket.inet_aton("224.0.0.18")
    return head + b"\0" * 4 + bytes([255, protocol]) + b"\0\0" + addresses + options + body


def ipv6(body: bytes, *, following: int = 112) -> bytes:
    source, group = (socket.inet_pton(socket.AF_INET6, each) for each in ("fe80::1", "ff02::12"))
    return b"\x60\0\0\0" + struct.pack("!HBB", len(body), following, 255) + source + group + body


ADVERTS = {
    "VRRPv2": (b"\x21\x3d\x65\x01", 61),
    "VRRPv3": (b"\x31\xff\x65\x01", 255),
    "CARP": (b"\x21\x07\x00\x07", 7),
}


@pytest.mark.parametrize("kind", ADVERTS)
def test_an_advert_says_its_number_and_its_sender(program: Any, kind: str) -> None:
    body, number = ADVERTS[kind]
    assert program.advert_in(ipv4(body), program.IP) == (number, "10.20.0.2")
    assert program.advert_in(ipv4(body, options=b"\0" * 4), program.IP) == (number, "10.20.0.2")
    assert program.advert_in(ipv6(body), program.IPV6) == (number, "fe80::1")


@pytest.mark.parametrize(
    "packet",
    [
        ipv4(b"\x31\x3d\x65\x01", protocol=6),
        ipv4(b"\x32\x3d\x65\x01"),  # of another type
        ipv4(b"\x31"),
        ipv4(b""),
        b"",
        b"\x45",
    ],
)
def test_nothing_else_is_one(program: Any, packet: bytes) -> None:
    assert program.advert_in(packet, program.IP) is None
    assert program.advert_in(packet, program.IPV6) is None


def test_controller_and_machine_mean_the_same_end(program: Any) -> None:
    assert program.END == findings.END


def test_it_is_short_enough_to_be_a_word_of_a_command() -> None:
    # controller/ssh/surroundings.py writes a byte that a shell may read as 5; the kernel takes
    # words of 128 KiB.
    assert len(PATH.read_bytes()) * 5 < 1 << 17
