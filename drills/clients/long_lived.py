"""Work that outlives a change: connections that are asked again and again, and slow downloads.

A process of its own (`python -m drills.clients.long_lived SPEC`), beside the prober. SPEC is JSON
(`LongLivedSpec`). It prints {"t0": ...} (CLOCK_MONOTONIC), {"ready": ...} once everything has
begun, a JSON array per connection as `drills.records.LongLived` has it when that has ended, then
{"done": ..., "lag_s": ...}.
When its standard input ends it begins nothing new, lets what runs come to its end, and stops.

What is a failure: RFC 9112, 9.3.1 and 9.5 let a server close a connection that is idle, and a
client repeat a GET that was under way just then, once, on a new connection. That is "reconnected".
Where a reset told of it, "cut" says so as well: a server sends one that closes what was not read,
and so does a machine that does not know the connection (analysis/long_lived_counts.py decides).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from drills.clients import stream_sessions
from drills.clients.client_connection import (
    RECEIVE_BUFFER,
    Connection,
    ConnectionBroken,
    Unanswered,
    limit,
)
from drills.clients.client_process import CONNECT_TIMEOUT_S, Output, tls_context
from drills.clients.http_answer import (
    END_OF_HEAD,
    classified,
    complete,
    content_length,
    header,
    wrong_status,
)
from drills.outcomes import Kind, RequestOutcome

MIB = 1 << 20
PIECE = 256 << 10
# A download is read so often, each time what it may have by then.
TICK_S = 0.02
# Before the server's own limit (keepalive_requests, 1000) ends the connection.
RENEWED_AFTER = 900
SEED = b"tandem-drill"


def content(size: int) -> bytes:
    """The file that is downloaded: the same on every node, and without any repetition, so that a
    piece which is lost, doubled or in the wrong place shows."""
    return hashlib.shake_256(SEED).digest(size)


@dataclass(frozen=True)
class LongLivedSpec(stream_sessions.WithStreams):
    """What to do. `pages`: as in `ProberSpec`.

    `bytes_per_s`: of one download, roughly. A server that sends nothing for `silence_s` hangs.
    What still runs `finish_s` after the end was asked for hangs, too.
    """

    pages: dict[str, str]
    path: str
    longest_s: float
    keep_alives: int = 20
    every_s: float = 0.1
    downloads: int = 10
    size: int = 64 * MIB
    bytes_per_s: float = 4 * MIB
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    silence_s: float = 2.0
    finish_s: float = 30.0
    tls: bool = False
    page: str = "/"


class LongLivedClients:
    """All connections and downloads. They end after `stopping` has been set."""

    def __init__(self, spec: LongLivedSpec, out: Output):
        self.spec = spec
        self._tls = tls_context() if spec.tls else None
        self.t0 = time.monotonic()
        self.stopping = False
        self.lag_s = 0.0
        self.begun = self.ended = 0
        self._out = out
        self._expected = content(spec.size)
        self._running: dict[int, Connection] = {}
        self._to_begin = set(range(spec.keep_alives + spec.downloads))
        self._headers = f"Host: {spec.host}\r\nUser-Agent: tandem-drill\r\n"

    # --- keep-alive --------------------------------------------------------------------------

    async def keep_alive(self, number: int) -> None:
        """One client: a request every `every_s`, on one connection for as long as that lasts."""
        due = self.t0 + number * self.spec.every_s / self.spec.keep_alives
        kept: Connection | None = None
        while not self.stopping:
            await self._until(due)
            # Never several at once to make up for a late one: this is a client, not a prober.
            due = max(due + self.spec.every_s, time.monotonic())
            connection = kept or self.connection(Kind.KEEP_ALIVE)
            try:
                if kept is None:
                    await self._connect(connection)
                elif await connection.closed_by_server():
                    self.end(connection, reconnected=True)
                    connection = self.connection(Kind.KEEP_ALIVE)
                    await self._connect(connection)
                kept = await self._ask_or_repeat(connection)
            except ConnectionBroken as error:
                self.end(connection, cut=error.outcome)
                kept = None
            else:
                if connection.requests == 1:
                    self._has_begun(number)
        if kept:
            self.end(kept)

    async def _ask_or_repeat(self, connection: Connection) -> Connection | None:
        """One request, repeated once where RFC 9112 allows it; the connection for the next one.

        None where a new connection is needed.
        """
        try:
            stays = await self._ask(connection)
        except Unanswered as unanswered:
            if connection.requests == 1:
                raise  # it was not idle, it had just been opened
            again = self.connection(Kind.KEEP_ALIVE)
            try:
                await self._connect(again)
                stays = await self._ask(again)
            except ConnectionBroken:
                self.drop(again)
                raise
            was_reset = unanswered.outcome is RequestOutcome.RESET
            self.end(connection, cut=unanswered.outcome if was_reset else "", reconnected=True)
            connection = again
        if not stays:
            self.end(connection, reconnected=True)
            return None
        if connection.requests >= RENEWED_AFTER:
            self.end(connection)
            return None
        return connection

    async def _ask(self, connection: Connection) -> bool:
        """Ask for the page; whether the server keeps the connection open."""
        self._send(connection, self.spec.page, "keep-alive")
        async with limit(self.spec.silence_s):
            received = await connection.begin_answer(PIECE)
            while not complete(received):
                data = await connection.receive(PIECE)
                if not data:
                    raise ConnectionBroken(RequestOutcome.RESET)
                received += data
        outcome, connection.node = classified(received, self.spec.pages)
        if outcome is not RequestOutcome.OK:
            raise ConnectionBroken(outcome)
        return header(received.partition(END_OF_HEAD)[0], b"connection").lower() != b"close"

    # --- downloads ---------------------------------------------------------------------------

    async def download(self, number: int) -> None:
        """One client that downloads slowly, and begins again when it has it all."""
        # Not all at the same pace, so that they are not all at the same place.
        spread = number / max(1, self.spec.downloads - 1)
        rate = self.spec.bytes_per_s * (0.9 + 0.2 * spread)
        while not self.stopping:
            connection = self.connection(Kind.DOWNLOAD)
            try:
                await self._connect(connection)
                await self._fetch(connection, rate, self.spec.keep_alives + number)
            except ConnectionBroken as error:
                self.end(connection, cut=error.outcome)
                await asyncio.sleep(self.spec.every_s)
            else:
                self.end(connection)

    async def _fetch(self, connection: Connection, rate: float, number: int) -> None:
        """Every byte of the file, each compared with what it has to be."""
        self._send(connection, self.spec.path, "close")
        head, separator, body = b"", b"", b""
        while not separator:
            data = await connection.receive(4096)
            if not data:
                raise ConnectionBroken(RequestOutcome.RESET if head else RequestOutcome.EMPTY)
            head, separator, body = (head + data).partition(END_OF_HEAD)
        if wrong := wrong_status(head):
            raise ConnectionBroken(wrong)
        if content_length(head) != self.spec.size:
            raise ConnectionBroken(RequestOutcome.WRONG_BODY)
        began, at = time.monotonic(), 0
        while True:
            if body != self._expected[at : at + len(body)]:
                raise ConnectionBroken(RequestOutcome.WRONG_BODY)
            if at == 0 and body:
                self._has_begun(number)
            at += len(body)
            if at == self.spec.size:
                return
            # The other clients have to get their turn, also where all of it has arrived already.
            await asyncio.sleep(0 if self.stopping else TICK_S)
            while (allowed := self._allowed(began, rate) - at) <= 0:
                await asyncio.sleep(TICK_S)
            body = await connection.receive(min(PIECE, allowed))
            if not body:
                raise ConnectionBroken(RequestOutcome.RESET)

    def _allowed(self, began: float, rate: float) -> int:
        """How many bytes a download may have by now. At the end it is not slowed down any more."""
        return 2 * self.spec.size if self.stopping else int((time.monotonic() - began) * rate)

    # --- both --------------------------------------------------------------------------------

    def connection(self, kind: Kind) -> Connection:
        way = socket.socket(self.spec.family, socket.SOCK_STREAM)
        self.spec.bind(way, self.begun)
        self.begun += 1
        connection = Connection(kind, way, self.spec.silence_s)
        connection.socket.setblocking(False)
        if kind is Kind.DOWNLOAD:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._running[id(connection)] = connection
        return connection

    async def _connect(self, connection: Connection) -> None:
        await connection.connect(self.spec, self.spec.connect_timeout_s, self._tls)

    def _send(self, connection: Connection, path: str, keep: str) -> None:
        request = f"GET {path} HTTP/1.1\r\n{self._headers}Connection: {keep}\r\n\r\n"
        connection.send(request.encode())

    async def _until(self, due: float) -> None:
        due = max(due, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
        self.lag_s = max(self.lag_s, time.monotonic() - due)

    def _has_begun(self, number: int) -> None:
        """Print "ready" once all have begun; each of them calls this at least once."""
        if number in self._to_begin:
            self._to_begin.remove(number)
            if not self._to_begin:
                self._out.write([json.dumps({"ready": True})])

    def give_up(self) -> None:
        """End whatever has not ended by now, as a read timeout."""
        for connection in tuple(self._running.values()):
            self.end(connection, cut=RequestOutcome.READ_TIMEOUT)

    def drop(self, connection: Connection) -> None:
        del self._running[id(connection)]
        connection.close()

    def end(self, connection: Connection, *, cut: str = "", reconnected: bool = False) -> None:
        self.drop(connection)
        self.ended += 1
        line = (
            connection.kind,
            round(connection.began - self.t0, 4),
            round(time.monotonic() - self.t0, 4),
            connection.requests,
            connection.received,
            cut,
            reconnected,
            connection.node,
            connection.client_port,
            round(connection.slowest_s, 4),
        )
        self._out.write([json.dumps(line)])


async def run(spec: LongLivedSpec, stop: int = 0, output: int = 1) -> None:
    """Work until `stop` can be read, or for `longest_s`; then wait for what is on its way."""
    out = Output(output)
    work = LongLivedClients(spec, out)
    out.write([json.dumps({"t0": work.t0})])
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    loop.add_reader(stop, asked_to_stop.set)
    tasks = [asyncio.create_task(work.keep_alive(n)) for n in range(spec.keep_alives)]
    tasks += [asyncio.create_task(work.download(n)) for n in range(spec.downloads)]
    tasks += stream_sessions.begin(work, spec.streams, spec.connect_timeout_s)
    ended = asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait([*tasks, ended], timeout=spec.longest_s, return_when=asyncio.FIRST_COMPLETED)
    work.stopping = True
    ended.cancel()
    loop.remove_reader(stop)
    done, pending = await asyncio.wait(tasks, timeout=spec.finish_s)
    for task in pending:
        task.cancel()
    await asyncio.wait(tasks)
    work.give_up()
    for task in done:
        task.result()  # raises what went wrong in this program
    out.write([json.dumps({"done": work.ended, "lag_s": round(work.lag_s, 4)})])
    out.finish()


def main() -> None:
    import gc

    gc.disable()  # a run is short, and a collection is a pause
    with suppress(BrokenPipeError, KeyboardInterrupt):
        asyncio.run(run(LongLivedSpec.from_json(sys.argv[1])))


if __name__ == "__main__":
    main()
