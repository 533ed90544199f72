"""The program that asks a time server: of servers on loopback that are right, wrong, or gone."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from verify.observe import machine_probes
from verify.read.system_output import offset

EPOCH = 2208988800
PROGRAM = Path(machine_probes.__file__).with_name("listeners") / "sntp.pl"
Server = Callable[[bytes], bytes]


def stamp(at: float) -> bytes:
    return struct.pack("!II", int(at) + EPOCH, int(at % 1 * (1 << 32)))


def answer(
    question: bytes, *, ahead_s: float = 0, leap: int = 0, mode: int = 4, stratum: int = 2
) -> bytes:
    """As RFC 4330 has it: our transmit time comes back as the originate time."""
    now = time.time() + ahead_s
    head = struct.pack("!BBBb", leap << 6 | 4 << 3 | mode, stratum, 6, -20)
    return head + bytes(20) + question[40:48] + stamp(now) + stamp(now)


@contextmanager
def served(reply: Server) -> Iterator[int]:
    """A server on loopback; its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    question, client = listening.recvfrom(512)
                except TimeoutError:
                    continue
                listening.sendto(reply(question), client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        over.set()
        thread.join()


def asked(port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["perl", PROGRAM, "127.0.0.1", str(port)], capture_output=True, text=True, timeout=20
    )


@pytest.mark.parametrize("ahead_s", [0, 1.5, -40])
def test_the_offset_is_read_as_that_of_ntpdate(ahead_s: float) -> None:
    with served(lambda question: answer(question, ahead_s=ahead_s)) as port:
        done = asked(port)
    assert done.returncode == 0, done.stderr
    found = offset(done.stdout)
    # The server is ahead: so far is this clock behind.
    assert abs(found.offset_s + ahead_s) < 0.3 and 0 <= found.error_s < 0.3


@pytest.mark.parametrize(
    "reply",
    [
        lambda question: answer(question, stratum=0),
        lambda question: answer(question, stratum=16),
        lambda question: answer(question, leap=3),
        lambda question: answer(question, mode=5),
        lambda question: answer(bytes(48)),
        lambda question: answer(question)[:40],
    ],
    ids=["kiss of death", "unsynchronised", "alarm", "a broadcast", "not to us", "too short"],
)
def test_what_is_no_answer_with_the_time_is_no_measurement(reply: Server) -> None:
    with served(reply) as port:
        done = asked(port)
    assert done.returncode and not done.stdout
    assert "no answer that has the time" in done.stderr


def test_nobody_there_is_no_measurement() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    done = asked(port)
    assert done.returncode and not done.stdout
