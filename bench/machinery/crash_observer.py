"""Kills nginx's master on a lab's machine, and notes when what comes of it can be seen.

    python -m bench.machinery.crash_observer SPEC

It runs beside the lab's machines, whose clock is this machine's, in the lab's network, and prints
the moments as one line of JSON, in seconds since the epoch: `killed`; `written` (the file that
keepalived watches, by inotify); `goodbye` (an advert of priority 0 on the holder's cable);
`announced` (the next holder's ARP on its cable); `added` (its kernel has the address); `answered`
(it accepts a connection to the address). What was not seen is missing. Frames are stamped by the
kernel, and the addresses' changes by `ip`: this process may be slow.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address

from bench.machinery.crash_moments import accepts, announces, is_goodbye
from drills.analysis.holder_timeline import changes

IN_MODIFY = 0x2
SO_TIMESTAMPNS = 35
ETH_P_ALL = 3
OUTGOING = 4
FRAME_B = 2048
# A request begins every so often, whatever has become of those before it.
STEP_S, REQUEST_S = 0.002, 0.3
BEFORE_S = 0.1


@dataclass(frozen=True)
class CrashSpec:
    """What is watched. `watched`: the file; `master`: the process to kill, as this machine numbers
    it; `holder_port`, `next_port`: the bridge's ends of the cables; `next_netns`: its network."""

    watched: str
    master: int
    holder_port: str
    next_port: str
    next_netns: str
    interface: str
    vip: str
    port: int
    seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class CrashObserver:
    """The first moment of each kind since the kill."""

    spec: CrashSpec
    moments: dict[str, float] = field(default_factory=dict)

    def note(self, what: str, at: float | None = None) -> None:
        if "killed" in self.moments:
            self.moments.setdefault(what, time.time() if at is None else at)

    async def observe(self) -> None:
        loop = asyncio.get_running_loop()
        watched = _inotify(self.spec.watched)
        loop.add_reader(watched, self._written, watched)
        for port in (self.spec.holder_port, self.spec.next_port):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            wire.bind((port, 0))
            wire.setblocking(False)
            loop.add_reader(wire, self._frame, wire, port)
        enter = ("nsenter", f"--net={self.spec.next_netns}", "--")
        monitor = await asyncio.create_subprocess_exec(
            *(*enter, "ip", "-ts", "-o", "monitor", "address"),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"TZ": "UTC"},
        )
        works = [asyncio.create_task(self._added(monitor)), asyncio.create_task(self._ask())]
        await asyncio.sleep(BEFORE_S)
        self.moments["killed"] = time.time()
        os.kill(self.spec.master, signal.SIGKILL)
        await asyncio.sleep(self.spec.seconds)
        for work in works:
            work.cancel()
        monitor.kill()
        await monitor.wait()

    def _written(self, descriptor: int) -> None:
        os.read(descriptor, 4096)
        self.note("written")

    def _frame(self, wire: socket.socket, port: str) -> None:
        with suppress(BlockingIOError):
            data, more, _, where = wire.recvmsg(FRAME_B, 64)
            seconds, nanoseconds = struct.unpack("qq", more[0][2][:16]) if more else (0, 0)
            at = seconds + nanoseconds / 1e9 if more else time.time()
            if where[2] == OUTGOING or at < self.moments.get("killed", float("inf")):
                return  # to the machine, and not from it; or before
            if port == self.spec.holder_port and is_goodbye(data):
                self.note("goodbye", at)
            if port == self.spec.next_port and announces(data, self.spec.vip):
                self.note("announced", at)
            if port == self.spec.next_port and accepts(data, self.spec.vip):
                self.note("answered", at)

    async def _added(self, monitor: asyncio.subprocess.Process) -> None:
        assert monitor.stdout is not None
        async for line in monitor.stdout:
            text, vip = line.decode(errors="replace"), ip_address(self.spec.vip)
            for at, held in changes(text, vip, self.spec.interface):
                if held:
                    self.note("added", at)

    async def _ask(self) -> None:
        """An open loop of new connections."""
        asked: set[asyncio.Task[None]] = set()
        while True:
            one = asyncio.create_task(self._request())
            asked.add(one)
            one.add_done_callback(asked.discard)
            await asyncio.sleep(STEP_S)

    async def _request(self) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(REQUEST_S):
                _, writer = await asyncio.open_connection(self.spec.vip, self.spec.port)
            writer.transport.abort()


def _inotify(path: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(os.O_NONBLOCK)
    if descriptor < 0 or libc.inotify_add_watch(descriptor, os.fsencode(path), IN_MODIFY) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


def main(text: str) -> None:
    observer = CrashObserver(CrashSpec(**json.loads(text)))
    asyncio.run(observer.observe())
    print(json.dumps(observer.moments))


if __name__ == "__main__":
    main(*sys.argv[1:])
