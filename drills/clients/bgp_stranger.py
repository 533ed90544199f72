"""A stranger that speaks BGP: it calls routers and machines, and offers them the VIP.

    unshare --net python -m drills.clients.bgp_stranger SPEC

It says its process number, and waits for a network card: whoever started it puts one end of a cable
into this process's network. With this process the card goes. Of each call it says what became of
it: "refused" (nobody listens, for it), "unheard" (no answer at all), "closed" (with BGP's own word
where there is one), or "established": then it has offered the VIP, and that must not be.

A program of its own that speaks what a foreign machine would: RFC 4271, as far as needed.
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
PORT = 179
CARD_TIMEOUT_S, CALL_TIMEOUT_S, ESTABLISHED_S = 10.0, 2.0, 3.0
OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
# Of RFC 4893: what stands for a number of 32 bits where there is room for 16.
AS_TRANS = 23456
HOLD_TIME_S = 90
REFUSED, UNHEARD, CLOSED, ESTABLISHED = "refused", "unheard", "closed", "established"


@dataclass(frozen=True)
class BgpStrangerSpec:
    """Its own address with the prefix length, whom it calls, and what it says there: that it is in
    the nodes' autonomous system, and has their VIP."""

    address: str
    targets: tuple[str, ...]
    asn: int
    vip: str
    port: int = PORT

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> BgpStrangerSpec:
        return cls(**json.loads(text))


def message(kind: int, body: bytes = b"") -> bytes:
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body


def open_message(spec: BgpStrangerSpec) -> bytes:
    """With the capability for 32-bit numbers (RFC 6793) and no other."""
    asn = spec.asn if spec.asn < 65536 else AS_TRANS
    own = socket.inet_aton(spec.address.partition("/")[0])
    capability = bytes([65, 4]) + spec.asn.to_bytes(4, "big")
    options = bytes([2, len(capability)]) + capability
    head = bytes([4]) + asn.to_bytes(2, "big") + HOLD_TIME_S.to_bytes(2, "big")
    return message(OPEN, head + own + bytes([len(options)]) + options)


def update_message(spec: BgpStrangerSpec) -> bytes:
    """The VIP can be reached here."""
    path = bytes([2, 1]) + spec.asn.to_bytes(4, "big")
    hop = socket.inet_aton(spec.address.partition("/")[0])
    attributes = (
        bytes([0x40, 1, 1, 0])
        + bytes([0x40, 2, len(path)])
        + path
        + bytes([0x40, 3, len(hop)])
        + hop
    )
    route = bytes([32]) + socket.inet_aton(spec.vip)
    return message(UPDATE, b"\0\0" + len(attributes).to_bytes(2, "big") + attributes + route)


def call(spec: BgpStrangerSpec, target: str) -> str:
    """What became of a session with one of them."""
    try:
        with socket.create_connection((target, spec.port), CALL_TIMEOUT_S) as session:
            return _converse(spec, session)
    except ConnectionRefusedError:
        return REFUSED
    except ConnectionResetError:
        return CLOSED
    except OSError:
        return UNHEARD


def _converse(spec: BgpStrangerSpec, session: socket.socket) -> str:
    session.sendall(open_message(spec))
    received = b""
    deadline = time.monotonic() + CALL_TIMEOUT_S
    while (kind := _kind(received)) is None:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not select.select([session], [], [], left_s)[0]:
            return UNHEARD
        data = session.recv(4096)
        if not data:
            return CLOSED
        received += data
    if kind == NOTIFICATION:
        return f"{CLOSED}, with NOTIFICATION {received[19]}.{received[20]}"
    session.sendall(message(KEEPALIVE) + update_message(spec))
    # Long enough that whoever asks may see the route.
    select.select([session], [], [], 0)
    time.sleep(ESTABLISHED_S)
    return ESTABLISHED


def _kind(received: bytes) -> int | None:
    """The kind of the first message, once it is there whole."""
    if len(received) < 19 or len(received) < int.from_bytes(received[16:18], "big"):
        return None
    return received[18]


def run(spec: BgpStrangerSpec, stop: int = 0, output: int = 1) -> None:
    out = Output(output)
    out.write([json.dumps({"pid": os.getpid()})])
    deadline = time.monotonic() + CARD_TIMEOUT_S
    # /sys may show another network than this process's.
    while CARD not in Path("/proc/net/dev").read_text():
        if select.select([stop], [], [], 0.01)[0] or time.monotonic() > deadline:
            return
    for words in (f"address add {spec.address} dev {CARD}", f"link set {CARD} up"):
        subprocess.run(["ip", *words.split()], check=True)
    calls = {target: call(spec, target) for target in spec.targets}
    out.write([json.dumps({"calls": calls})])
    select.select([stop], [], [])
    out.write([json.dumps({"done": True})])
    out.finish()


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        run(BgpStrangerSpec.from_json(sys.argv[1]))
