"""What is seen after nginx was killed, and how long each step took. Pure."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

ETHERNET_B = 14
ARP, IPV4 = 0x0806, 0x0800
VRRP, TCP = 112, 6
SYN, ACK = 0x02, 0x10

# In this order: what is seen, and the step that ends with it.
SEEN = (
    ("killed", ""),
    ("written", "the watch sees the end of nginx, and writes the file"),
    ("fault", "keepalived reads the file, and goes to FAULT"),
    ("goodbye", "its goodbye is on the wire"),
    ("master", "the standby waits out its skew, and goes to MASTER"),
    ("added", "the standby's kernel has the address"),
    ("announced", "the standby's ARP is on the wire"),
    ("answered", "a client's connection is accepted"),
)
STEPS = tuple(step for _, step in SEEN[1:])
KEEPALIVED = {"Entering FAULT STATE": "fault", "Entering MASTER STATE": "master"}


@dataclass(frozen=True)
class CrashSteps:
    """One crash: each step's milliseconds, in the order of `STEPS`, and their sum."""

    steps_ms: tuple[float, ...]

    @property
    def whole_ms(self) -> float:
        return sum(self.steps_ms)

    @property
    def longest(self) -> str:
        """The step that took most of it."""
        return max(zip(self.steps_ms, STEPS, strict=True))[1]


def steps_of(moments: Mapping[str, float]) -> CrashSteps | None:
    """The steps of one crash; None where one of its moments was not seen.

    `moments`: seconds since the epoch, by the words of `SEEN`. What a log or another process says
    may be stamped late, after what follows from it: it had happened by then. The sum stays what it
    was.
    """
    if any(word not in moments for word, _ in SEEN):
        return None
    killed = moments[SEEN[0][0]]
    late = [max(killed, moments[word]) for word, _ in reversed(SEEN)]
    reached = list(accumulate(late, min))[::-1]
    return CrashSteps(tuple(round((end - begin) * 1000, 3) for begin, end in pairwise(reached)))


def missing(moments: Mapping[str, float]) -> str:
    """What was not seen, in words."""
    return ", ".join(word for word, _ in SEEN if word not in moments)


def logged(journal: str, since: float) -> dict[str, float]:
    """When keepalived entered a state, by the output of `journalctl --output json`."""
    found: dict[str, float] = {}
    for line in journal.splitlines():
        entry = json.loads(line)
        # When it was sent; the journal stamps it when it reads it.
        stamp = entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry["__REALTIME_TIMESTAMP"]
        at = int(stamp) / 1e6
        for text, word in KEEPALIVED.items():
            if at >= since and text in str(entry.get("MESSAGE", "")):
                found.setdefault(word, at)
    return found


def shares(crashes: Sequence[CrashSteps]) -> list[str]:
    """What the slow ones are made of, in words: the slowest tenth beside all of them."""
    by_time = sorted(crashes, key=lambda crash: crash.whole_ms)
    tail = by_time[-max(1, len(by_time) // 10) :]
    lines: list[str] = []
    for number, step in enumerate(STEPS):
        part = sum(crash.steps_ms[number] for crash in tail) / sum(c.whole_ms for c in tail)
        usual = sum(crash.steps_ms[number] for crash in crashes) / sum(c.whole_ms for c in crashes)
        lines.append(f"{step}: {part:.0%} of the slowest tenth, {usual:.0%} of all")
    return lines


def is_goodbye(frame: bytes) -> bool:
    """Whether an Ethernet frame is an advert of priority 0."""
    packet = frame[ETHERNET_B:]
    if int.from_bytes(frame[12:14], "big") != IPV4 or len(packet) < 20 or packet[9] != VRRP:
        return False
    head = (packet[0] & 0xF) * 4
    return len(packet) > head + 2 and packet[head + 2] == 0


def accepts(frame: bytes, address: str) -> bool:
    """Whether an Ethernet frame accepts a connection to this address (SYN and ACK)."""
    packet = frame[ETHERNET_B:]
    if int.from_bytes(frame[12:14], "big") != IPV4 or len(packet) < 20 or packet[9] != TCP:
        return False
    head = (packet[0] & 0xF) * 4
    flags = packet[head + 13] & (SYN | ACK) if len(packet) > head + 13 else 0
    return packet[12:16] == socket.inet_aton(address) and flags == SYN | ACK


def announces(frame: bytes, address: str) -> bool:
    """Whether an Ethernet frame says by ARP that its sender has this address."""
    arp = frame[ETHERNET_B:]
    is_arp = int.from_bytes(frame[12:14], "big") == ARP
    return is_arp and arp[14:18] == socket.inet_aton(address)
