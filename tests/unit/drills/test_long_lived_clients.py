"""The long-lived load against servers on loopback that close, reset, hang and corrupt."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from socket import create_server, socket
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest

from drills.analysis.long_lived_counts import LongLivedCounts, count_long_lived
from drills.clients.long_lived import LongLivedSpec, content
from drills.results import Kind, LongLived, RequestOutcome
from lab.gateway import authority
from tests.support.fakes import ROOT
from tests.unit.drills.loopback import Answer, client, reset, server

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npage one\n"
LAST_PAGE = PAGE.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
SIZE = 1 << 20
FILE = content(SIZE)
HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n".encode()
NO_FILE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
# (Patient: on a busy machine a handshake of TLS may take its time.)
SPEC = LongLivedSpec(
    "127.0.0.1", 0, {"page one": "host1"}, "/file", 30, 3, 0.02, 0, SIZE, 4 * SIZE, 5.0
)


def load(spec: LongLivedSpec, seconds: float = 0.5) -> list[LongLived]:
    """What the process says about every connection, when it is let run for a while."""
    process = client("long_lived", spec)
    assert process.stdout is not None and process.stdin is not None
    assert json.loads(process.stdout.readline())["t0"] > 0
    time.sleep(seconds)
    process.stdin.close()
    *said, last = [json.loads(line) for line in process.stdout]
    assert process.wait(10) == 0
    rows = [row for row in said if isinstance(row, list)]
    assert last["done"] == len(rows)
    return [LongLived(Kind(kind), *more) for kind, *more in rows]


def keep_alive(answer: Answer, seconds: float = 0.5) -> tuple[LongLivedCounts, set[str]]:
    with server(answer) as port:
        found = load(replace(SPEC, port=port, silence_s=0.3), seconds)
    return count_long_lived(found), {one.cut for one in found if one.cut}


def say(data: bytes) -> Answer:
    def answer(connection: socket, number: int) -> bool:
        connection.sendall(data)
        return True

    return answer


def test_clients_keep_their_connections() -> None:
    found, cut = keep_alive(say(PAGE))
    assert (found.clients, found.failed, found.reconnected, cut) == (3, 0, 0, set())
    assert found.requests > 20


@pytest.mark.parametrize("stays", [True, False])
def test_over_tls_it_is_the_same(tmp_path: Path, stays: bool) -> None:
    issued = authority.issue(tmp_path, ("127.0.0.1",))
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    with server(say(PAGE) if stays else after(3, close_when_idle), tls) as port:
        found = load(replace(SPEC, port=port, tls=True))
    counts = count_long_lived(found)
    assert (counts.failed, counts.requests > 20) == (0, True)
    assert (counts.reconnected == 0) is stays
    spec = replace(SPEC, keep_alives=0, downloads=2, tls=True)
    with server(say(HEAD + FILE), tls) as port:
        assert {one.cut for one in load(replace(spec, port=port), 0.4)} == {""}


def after(good: int, then: Answer) -> Answer:
    """Some good answers on each connection, then something else."""

    def answer(connection: socket, number: int) -> bool:
        if number < good:
            connection.sendall(PAGE)
            return True
        return then(connection, number)

    return answer


def close_unanswered(connection: socket, number: int) -> bool:
    return False


def close_announced(connection: socket, number: int) -> bool:
    connection.sendall(LAST_PAGE)
    return False


def close_when_idle(connection: socket, number: int) -> bool:
    connection.sendall(PAGE)
    return False


@pytest.mark.parametrize("how", [close_unanswered, close_announced, close_when_idle])
def test_a_server_may_close_what_is_idle(how: Answer) -> None:
    found, cut = keep_alive(after(3, how))
    assert (found.failed, cut) == (0, set())
    assert found.reconnected >= 3
    assert found.requests > 20


# A client whose loop does not run while the server closes: PORT, and "tls" or nothing.
BUSY = """
import asyncio, socket, ssl, sys, time
from drills.clients.client_connection import Connection
from drills.clients.client_process import ClientSpec
from drills.outcomes import Kind
async def main():
    spec = ClientSpec("127.0.0.1", int(sys.argv[1]))
    context = ssl._create_unverified_context() if sys.argv[2:] else None
    way = socket.socket()
    way.setblocking(False)
    connection = Connection(Kind.KEEP_ALIVE, way, 2.0)
    await connection.connect(spec, 2.0, context)
    connection.send(b"GET / HTTP/1.1\\r\\n\\r\\n")
    await connection.receive(4096)
    print(await connection.closed_by_server())
    connection.send(b"GET / HTTP/1.1\\r\\n\\r\\n")
    await connection.receive(4096)
    time.sleep(0.3)
    print(await connection.closed_by_server())
asyncio.run(main())
"""


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_busy_client_sees_that_the_server_has_closed(tmp_path: Path, over_tls: bool) -> None:
    issued = authority.issue(tmp_path, ("127.0.0.1",))
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    with server(after(1, close_when_idle), tls if over_tls else None) as port:
        words = [sys.executable, "-c", BUSY, str(port), *(["tls"] if over_tls else [])]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.stdout.split() == ["False", "True"], done.stderr


def send_half(connection: socket, number: int) -> bool:
    connection.sendall(PAGE[:-4])
    return False


def send_reset(connection: socket, number: int) -> bool:
    reset(connection)
    return False


def hang(connection: socket, number: int) -> bool:
    return True


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (after(3, send_half), RequestOutcome.RESET),
        (after(3, hang), RequestOutcome.READ_TIMEOUT),
        (after(3, say(PAGE.replace(b"200 OK", b"503 No"))), RequestOutcome.HTTP_5XX),
        (after(3, say(PAGE.replace(b"one", b"two"))), RequestOutcome.WRONG_BODY),
        # Just opened, it was not idle: nobody may close it then.
        (close_unanswered, RequestOutcome.EMPTY),
    ],
)
def test_everything_else_is_a_failed_request(answer: Answer, outcome: RequestOutcome) -> None:
    found, cut = keep_alive(answer, 0.8)
    assert cut == {outcome}
    assert found.failed >= 3
    assert found.reconnected == 0


def test_a_reset_is_repeated_and_a_failure_where_it_is_not_one_of_many_that_end() -> None:
    """This server resets all; one that closes what is idle resets one, and closes the others."""
    with server(after(3, send_reset)) as port:
        found = load(replace(SPEC, port=port, silence_s=0.3))
    told = [one for one in found if one.cut]
    assert len(told) >= 3
    assert {(one.cut, one.reconnected) for one in told} == {(RequestOutcome.RESET, True)}
    counts = count_long_lived(found)
    assert (counts.failed, counts.reconnected, counts.repeated) == (len(told), 0, 0)


def test_a_reset_at_once_is_not_repeated() -> None:
    """A connection that has just been opened was not idle: nobody may close it."""
    found, cut = keep_alive(send_reset)
    assert cut == {RequestOutcome.RESET}
    assert found.failed >= 3 and found.reconnected == 0


def test_a_request_that_cannot_be_repeated_either_has_failed() -> None:
    """Three connections are closed when they are idle; no later one gets an answer."""
    served: list[socket] = []

    def answer(connection: socket, number: int) -> bool:
        if number == 0:
            served.append(connection)
        if connection not in served[:3] or number >= 3:
            return False
        connection.sendall(PAGE)
        return True

    found, cut = keep_alive(answer)
    assert cut == {RequestOutcome.EMPTY}
    assert found.failed >= 3
    assert found.reconnected == 0


def test_nobody_listening_is_refused() -> None:
    with create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert {one.cut for one in load(replace(SPEC, port=port), 0.2)} == {RequestOutcome.REFUSED}


def download(answer: Answer, seconds: float = 0.6, **more: float) -> list[LongLived]:
    spec = replace(SPEC, keep_alives=0, downloads=2, silence_s=0.3, **more)  # type: ignore[arg-type]
    with server(answer) as port:
        return load(replace(spec, port=port), seconds)


def test_downloads_are_slow_and_begin_again_and_the_last_ones_come_to_their_end() -> None:
    found = download(say(HEAD + FILE))
    assert [one.cut for one in found] == [""] * len(found)
    assert len(found) >= 4
    assert all(one.received_bytes == SIZE + len(HEAD) for one in found)
    first = min(found, key=lambda one: one.to_s)
    assert 0.2 < first.to_s - first.from_s < 0.5


SPOILED = FILE[:500_000] + bytes([FILE[500_000] ^ 1]) + FILE[500_001:]
DOUBLED = FILE[:500_000] + FILE[400_000:500_000] + FILE[600_000:]


def send_and_reset(connection: socket, number: int) -> bool:
    connection.sendall(HEAD + FILE[:300_000])
    time.sleep(0.2)
    reset(connection)
    return False


def send_and_close(connection: socket, number: int) -> bool:
    connection.sendall(HEAD + FILE[:300_000])
    return False


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (say(HEAD + SPOILED), RequestOutcome.WRONG_BODY),
        (say(HEAD + DOUBLED), RequestOutcome.WRONG_BODY),
        (say(HEAD.replace(b"104", b"204") + FILE), RequestOutcome.WRONG_BODY),
        (say(NO_FILE), RequestOutcome.WRONG_BODY),
        (say(NO_FILE.replace(b"404", b"503")), RequestOutcome.HTTP_5XX),
        (say(HEAD + FILE[:300_000]), RequestOutcome.READ_TIMEOUT),
        (send_and_close, RequestOutcome.RESET),
        (send_and_reset, RequestOutcome.RESET),
        (close_unanswered, RequestOutcome.EMPTY),
    ],
)
def test_what_is_no_whole_file_is_a_download_that_was_cut(
    answer: Answer, outcome: RequestOutcome
) -> None:
    found = download(answer, 0.8)
    assert found and {one.cut for one in found} == {outcome}


def test_what_never_ends_is_given_up() -> None:
    """Somebody who sends a byte now and then is not silent, and still keeps everybody waiting."""

    def drip(connection: socket, number: int) -> bool:
        connection.sendall(HEAD)
        for position in range(40):
            connection.sendall(FILE[position : position + 1])
            time.sleep(0.1)
        return False

    began = time.monotonic()
    found = download(drip, 0.3, finish_s=0.5)
    assert {one.cut for one in found} == {RequestOutcome.READ_TIMEOUT}
    assert time.monotonic() - began < 3
