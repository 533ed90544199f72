"""The prober against servers on loopback that do what broken machines do."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from drills.clients.http_answer import classified
from drills.clients.prober import ProberSpec
from drills.results import Request, RequestOutcome
from tests.support.fakes import ROOT
from tests.unit.drills.loopback import client, reset

PAGES = {"page one": "host1", "page two": "host2"}
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\npage one\n"
Answer = Callable[[socket.socket], None]


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """Listens on loopback; `answer` gets each connection whose request has come."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.settimeout(2)
                try:
                    connection.recv(4096)
                    answer(connection)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(3)


def say(data: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.close()

    return answer


_kept: list[socket.socket] = []


def hang(connection: socket.socket) -> None:
    _kept.append(connection)


def probe(port: int, seconds: float = 0.5, rate: float = 200) -> list[Request]:
    """What a prober's process prints about loopback, in due order."""
    spec = ProberSpec("127.0.0.1", port, rate, seconds, PAGES)
    process = client("prober", spec)
    assert process.stdout is not None and process.stdin is not None
    said = [json.loads(line) for line in process.stdout]
    process.stdin.close()
    assert process.wait(10) == 0
    first, *rows, last = said
    assert first["t0"] > 0
    assert last["done"] == len(rows)
    found = [Request(*row)._replace(outcome=RequestOutcome(row[4])) for row in rows]
    return sorted(found)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (say(GOOD), RequestOutcome.OK),
        (say(GOOD.replace(b"200", b"503")), RequestOutcome.HTTP_5XX),
        (say(GOOD.replace(b"200", b"404")), RequestOutcome.WRONG_BODY),
        (say(GOOD.replace(b"page one", b"no page!")), RequestOutcome.WRONG_BODY),
        (say(GOOD[:-4]), RequestOutcome.RESET),
        (say(b""), RequestOutcome.EMPTY),
        (reset, RequestOutcome.RESET),
    ],
)
def test_what_became_of_a_request_is_told_apart(answer: Answer, expected: RequestOutcome) -> None:
    with server(answer) as port:
        found = probe(port, 0.2, rate=100)
    assert {request.outcome for request in found} == {expected}


def test_nobody_listening_is_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = probe(unused.getsockname()[1])
    assert {request.outcome for request in found} == {RequestOutcome.REFUSED}


def test_a_server_that_hangs_does_not_slow_the_prober_down() -> None:
    with server(hang) as port:
        found = probe(port, 1.5)
    while _kept:
        _kept.pop().close()
    assert {request.outcome for request in found} == {RequestOutcome.READ_TIMEOUT}
    assert len(found) == pytest.approx(300, abs=2)
    assert all(0.99 < (request.total_s or 0) < 1.2 for request in found)


def test_a_connection_that_is_not_taken_times_out_in_half_a_second() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            found = probe(full.getsockname()[1], 0.3)
    # The first may still find a place in the queue.
    late = [request for request in found if request.outcome is RequestOutcome.CONNECT_TIMEOUT]
    assert len(late) >= len(found) - 2
    assert all(0.49 < (request.total_s or 0) < 0.7 for request in late)


def test_it_keeps_its_rate_and_knows_its_own_lag() -> None:
    with server(say(GOOD)) as port:
        found = probe(port, 2.0)
    assert len(found) == pytest.approx(400, abs=2)
    assert [round(request.due_s * 200) for request in found] == list(range(len(found)))
    lags = sorted(request.lag_s for request in found)
    assert lags[0] >= 0
    assert lags[len(lags) // 2] < 0.005
    assert {request.node for request in found} == {"host1"}


def test_it_ends_with_whoever_started_it() -> None:
    with server(say(GOOD)) as port:
        spec = ProberSpec("127.0.0.1", port, 100, 60, PAGES)
        process = subprocess.Popen(
            [sys.executable, "-m", "drills.clients.prober", spec.to_json()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == 0


def test_an_answer_is_read_to_its_end() -> None:
    assert classified(GOOD, PAGES) == (RequestOutcome.OK, "host1")
    assert classified(b"", PAGES)[0] is RequestOutcome.EMPTY
    assert classified(b"HTTP/1.1 200 OK\r\nConte", PAGES)[0] is RequestOutcome.RESET
