"""A stranger on the network that has taken the VIP: it answers for it, and serves nothing.

    unshare --net python -m drills.clients.address_stranger SPEC

It says its process number, and waits for a network card: whoever started it puts one end of a cable
into this process's network. With this process the card goes, and so does the cable, whatever
happens to whoever started it.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from drills.clients.client_process import Output

CARD = "eth0"
# Locally administered: no real card has it, nor any of the lab's.
MAC = "02:00:00:57:ea:06"
BROADCAST = b"\xff" * 6
ETHERNET_ARP, ARP_ETHERNET, ARP_REPLY = 0x0806, 1, 2
EVERY_S = 0.2
CARD_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class StrangerSpec:
    """Which address it takes (IPv4, with its prefix length), and for how long."""

    address: str
    seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> StrangerSpec:
        return cls(**json.loads(text))


def announcement(address: str, mac: str) -> bytes:
    """An Ethernet frame, to everybody: this address is at this MAC (a gratuitous ARP reply)."""
    own, ip = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address)
    head = BROADCAST + own + ETHERNET_ARP.to_bytes(2, "big")
    kinds = ARP_ETHERNET.to_bytes(2, "big") + (0x0800).to_bytes(2, "big") + b"\x06\x04"
    return head + kinds + ARP_REPLY.to_bytes(2, "big") + own + ip + BROADCAST + ip


def _stopped(stop: int, seconds: float) -> bool:
    """Whether this process is asked to end, within so long."""
    return bool(select.select([stop], [], [], seconds)[0])


def run(spec: StrangerSpec, stop: int = 0, output: int = 1) -> None:
    out = Output(output)
    out.write([json.dumps({"pid": os.getpid()})])
    deadline = time.monotonic() + CARD_TIMEOUT_S
    # /sys may show another network than this process's.
    while CARD not in Path("/proc/net/dev").read_text():
        if _stopped(stop, 0.01) or time.monotonic() > deadline:
            return
    for words in (f"address add {spec.address} dev {CARD}", f"link set {CARD} up"):
        subprocess.run(["ip", *words.split()], check=True)
    frame = announcement(spec.address.partition("/")[0], MAC)
    sent = 0
    end = time.monotonic() + spec.seconds
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((CARD, 0))
        out.write([json.dumps({"there": True})])
        while time.monotonic() < end:
            wire.send(frame)
            sent += 1
            if _stopped(stop, EVERY_S):
                break
    out.write([json.dumps({"done": True, "sent": sent})])
    out.finish()


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        run(StrangerSpec.from_json(sys.argv[1]))
