"""Connections that ask once and then say nothing: opened, held, and asked again at the end.

A process of its own (`python -m drills.idle SPEC`), for its many files. SPEC is JSON (`Spec`). It
prints {"t0": ...}, {"idle": connections, "seconds": ...} once all of them have been answered twice
and are silent, and at the end {"done": ..., "answered": ..., "closed": ...}: how many were answered
again, each after `hold_s` of silence, and how many the server had closed. All are open until the
last of them has been asked. It ends early when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass

from drills.connections import Broken, Connection, complete
from drills.outcomes import Kind, RequestOutcome
from drills.probe import Output

# At a time, so that what is measured is not a burst.
AT_ONCE = 100
OWN_FILES = 64
RECEIVE_B = 4096
# A machine that has to accept thousands at once may need a SYN twice.
CONNECT_TIMEOUT_S = 5.0
SILENCE_S = 5.0


@dataclass(frozen=True)
class Spec:
    """What to do: so many connections, silent for so long."""

    address: str
    port: int
    connections: int
    hold_s: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Idle:
    """The connections, and what became of them."""

    def __init__(self, spec: Spec):
        self.spec = spec
        host = f"[{spec.address}]" if ":" in spec.address else spec.address
        self._request = (
            f"GET /tandem-health HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tandem-drill\r\n\r\n"
        ).encode()
        self.made: list[Connection] = []
        self.stopping = asyncio.Event()
        self._answered_at: dict[int, float] = {}
        self.closed = 0

    async def open(self) -> None:
        family = socket.AF_INET6 if ":" in self.spec.address else socket.AF_INET
        for _ in range(self.spec.connections):
            made = Connection(Kind.KEEP_ALIVE, socket.socket(family, socket.SOCK_STREAM))
            made.socket.setblocking(False)
            self.made.append(made)
        where = (self.spec.address, self.spec.port)

        async def begin(made: Connection) -> None:
            await made.connect(where, CONNECT_TIMEOUT_S)
            await self._ask(made)

        self.made = await self._each(begin)

    async def ask_all(self, silent_s: float = 0.0) -> int:
        """How many answer, each asked after so long a silence. The others are closed."""

        async def ask(made: Connection) -> None:
            left_s = self._answered_at[id(made)] + silent_s - time.monotonic()
            if left_s > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await self.stopping.wait()
            await self._ask(made)

        self.made = await self._each(ask)
        return len(self.made)

    async def _each(self, act: Callable[[Connection], Awaitable[None]]) -> list[Connection]:
        """Do it with every connection, in their order; those with which it went well."""
        waiting = iter(self.made)
        good: set[int] = set()

        async def work(mine: Iterable[Connection]) -> None:
            for made in mine:
                try:
                    await act(made)
                except Broken:
                    made.socket.close()
                else:
                    good.add(id(made))

        await asyncio.gather(*(work(waiting) for _ in range(AT_ONCE)))
        return [made for made in self.made if id(made) in good]

    async def _ask(self, made: Connection) -> None:
        if made.requests and made.closed_by_server():
            self.closed += 1
        await made.send(self._request)
        received = b""
        while not complete(received):
            data = await made.receive(RECEIVE_B, SILENCE_S)
            if not data:
                raise Broken(RequestOutcome.EMPTY)
            received += data
        self._answered_at[id(made)] = time.monotonic()


async def run(spec: Spec, stop: int = 0, output: int = 1) -> None:
    out = Output(output)
    began = time.monotonic()
    out.write([json.dumps({"t0": began})])
    loop = asyncio.get_running_loop()
    idle = Idle(spec)
    loop.add_reader(stop, idle.stopping.set)
    await idle.open()
    silent = await idle.ask_all()
    out.write([json.dumps({"idle": silent, "seconds": round(time.monotonic() - began, 2)})])
    answered = await idle.ask_all(spec.hold_s)
    loop.remove_reader(stop)
    out.write([json.dumps({"done": silent, "answered": answered, "closed": idle.closed})])
    out.finish()


def have_files(wanted: int) -> None:
    """Allow this process so many open files. Raises `SystemExit` with what would be right."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        except (OSError, ValueError):
            said = f"this machine's limit is {hard} open files: ulimit -n {wanted}"
            raise SystemExit(said) from None


def main() -> None:
    spec = Spec(**json.loads(sys.argv[1]))
    have_files(spec.connections + OWN_FILES)
    with suppress(BrokenPipeError, KeyboardInterrupt):
        asyncio.run(run(spec))


if __name__ == "__main__":
    main()
