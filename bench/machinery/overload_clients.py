"""Clients that are too many, beside some that behave; a process of its own in the lab's network.

    python -m bench.machinery.overload_clients ADDRESS PORT SECONDS [--slow N] [--silent]
        [--slow-from ADDRESS] [--each-second N] [--without-pause N] [--flood-port PORT]
        [--own ADDRESS]…

It prints one line of JSON: what has come of the requests of those that behave, and of the others.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

# Those that behave: so many requests a second, each on a connection of its own.
PER_S = 20
PATIENCE_S = 1.0
HALF = b"GET / HTTP/1.1\r\nHost: slow\r\n"
WHOLE = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n"
# A slow client that was turned away comes back after so long.
COMES_BACK_S = 0.1


@dataclass
class Counts:
    """Requests of those that behave, and of the flood: how many were made, and answered in time."""

    asked: int = 0
    served: int = 0
    flooded: int = 0
    flood_served: int = 0


class Clients:
    """Asks one address until `until_s`, a time of the loop's clock."""

    def __init__(
        self,
        address: str,
        port: int,
        flood_port: int,
        until_s: float,
        patience_s: float = PATIENCE_S,
    ):
        self.patience_s = patience_s
        self.target = address, port
        self.flooded = address, flood_port
        self.until_s = until_s
        self.counts = Counts()

    def _left_s(self) -> float:
        return self.until_s - asyncio.get_running_loop().time()

    async def _one(self, target: tuple[str, int], own: str = "") -> bool:
        """Whether a request on a new connection is answered with success, and in time."""
        with suppress(OSError, asyncio.TimeoutError):
            return await asyncio.wait_for(self._answer(target, own), self.patience_s)
        return False

    async def _answer(self, target: tuple[str, int], own: str) -> bool:
        reader, writer = await asyncio.open_connection(*target, local_addr=_end(own))
        try:
            writer.write(WHOLE)
            answer = await reader.read()
            return b" 200 " in answer.partition(b"\r\n")[0]
        finally:
            writer.transport.abort()

    async def behaving(self, own: Sequence[str] = ()) -> None:
        """Ask at a steady rate, whatever becomes of it, from each of these addresses in turn."""
        turns = itertools.cycle(own or [""])
        async with asyncio.TaskGroup() as group:
            while self._left_s() > self.patience_s:
                group.create_task(self._counted(next(turns)))
                await asyncio.sleep(1 / PER_S)

    async def _counted(self, own: str) -> None:
        self.counts.asked += 1
        served = await self._one(
            self.target, own
        )  # first: what is added to would be read before the waiting
        self.counts.served += served

    async def slow(self, sent: bytes = HALF, own: str = "") -> None:
        """Hold half a request for as long as nginx allows, and then the next.

        + sent: what of a request; own: the address that it comes from.
        """
        while self._left_s() > 0:
            with suppress(OSError, asyncio.TimeoutError):
                reader, writer = await asyncio.wait_for(
                    asyncio.open_connection(*self.target, local_addr=_end(own)),
                    max(0.01, self._left_s()),
                )
                try:
                    writer.write(sent)
                    await asyncio.wait_for(reader.read(1), max(0.01, self._left_s()))
                finally:
                    writer.transport.abort()
            await asyncio.sleep(COMES_BACK_S)

    async def flooding(self, wait_s: float, pause_s: float) -> None:
        """Ask, wait for the answer, and ask again: no sooner than `pause_s` after the last."""
        await asyncio.sleep(wait_s)
        loop = asyncio.get_running_loop()
        while self._left_s() > 0:
            next_s = loop.time() + pause_s
            self.counts.flooded += 1
            served = await self._one(self.flooded)
            self.counts.flood_served += served
            await asyncio.sleep(max(0.0, next_s - loop.time()))


def _end(own: str) -> tuple[str, int] | None:
    """This side of a connection."""
    return (own, 0) if own else None


async def run(given: argparse.Namespace) -> Counts:
    """All of them at once."""
    until_s = asyncio.get_running_loop().time() + given.seconds
    clients = Clients(
        given.address, given.port, given.flood_port or given.port, until_s, given.patience
    )
    each = given.each_second
    sent = b"" if given.silent else HALF
    work: list[Coroutine[None, None, None]] = [
        clients.behaving(given.own),
        *(clients.slow(sent, given.slow_from) for _ in range(given.slow)),
        *(clients.flooding(place / each, 1.0) for place in range(each)),
        *(clients.flooding(0.0, 0.0) for _ in range(given.without_pause)),
    ]
    await asyncio.gather(*work)
    return clients.counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    for name in ("--slow", "--each-second", "--without-pause", "--flood-port"):
        parser.add_argument(name, type=int, default=0)
    parser.add_argument("--slow-from", default="", help="the address of those that are slow")
    parser.add_argument("--own", action="append", help="an address of those that behave")
    parser.add_argument("--silent", action="store_true", help="they send nothing at all")
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="seconds")
    print(json.dumps(asdict(asyncio.run(run(parser.parse_args())))))


if __name__ == "__main__":
    main()
