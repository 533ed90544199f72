"""Sessions through streams: servers on loopback that wait, close, reset, and are not there."""

from __future__ import annotations

import time
from dataclasses import replace
from socket import create_server, socket

import pytest

from drills.analysis import long_lived_counts
from drills.clients.long_lived import LongLivedSpec
from drills.clients.stream_sessions import StreamSpec
from drills.report import picture_long_lived
from drills.results import Budget, Kind, LongLived, RequestOutcome
from tests.unit.drills.loopback import Answer, reset, server
from tests.unit.drills.test_long_lived_clients import PAGE, SPEC, load, say


def through(port: int) -> StreamSpec:
    return StreamSpec("127.0.0.1", port, "mqtt", sessions=2)


def sessions(answer: Answer, seconds: float = 0.5) -> list[LongLived]:
    """Those through one stream, which is a server that answers so when somebody connects."""
    return [one for one in everything(answer, seconds) if one.kind is Kind.SESSION]


def everything(answer: Answer, seconds: float) -> list[LongLived]:
    with server(say(PAGE)) as web, server(answer, at_once=True) as port:
        spec: LongLivedSpec = replace(SPEC, port=web, streams=(through(port),))
        return load(spec, seconds)


def waits(connection: socket, number: int) -> bool:
    connection.recv(1)
    return False


def test_sessions_stay_though_nobody_says_anything() -> None:
    found = sessions(waits)
    assert [(one.cut, one.reconnected, one.node) for one in found] == [("", False, "mqtt")] * 2
    assert all(one.client_port and one.to_s - one.from_s > 0.4 for one in found)


def test_what_a_server_says_is_read_and_compared_with_nothing() -> None:
    def greets(connection: socket, number: int) -> bool:
        connection.sendall(b"220 ready\r\n")
        return waits(connection, number)

    assert [(one.cut, one.received_bytes) for one in sessions(greets)] == [("", 11)] * 2


def test_one_that_the_server_closes_in_order_is_no_failure_and_not_begun_again() -> None:
    """Many that do not log in may have a server shut nginx out."""
    every = everything(lambda connection, number: False, 1.3)
    clients = long_lived_counts.count_long_lived(every)
    assert clients.requests > 50 and clients.failed == 0, "the others go on"
    found = [one for one in every if one.kind is Kind.SESSION]
    assert [(one.cut, one.reconnected) for one in found] == [("", True)] * 2
    assert long_lived_counts.count_long_lived(found).sessions == 0, "no server was reached"


def test_one_that_is_reset_is_cut() -> None:
    def resets(connection: socket, number: int) -> bool:
        time.sleep(0.1)  # it has begun
        reset(connection)
        return False

    assert {one.cut for one in sessions(resets)} == {RequestOutcome.RESET}


def test_a_stream_that_was_never_there_is_the_verifiers_to_tell() -> None:
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with server(say(PAGE)) as web:
        found = load(replace(SPEC, port=web, streams=(through(port),)))
    assert [one for one in found if one.kind is Kind.SESSION] == []
    assert [one for one in found if one.cut] == []


CUT = LongLived(Kind.SESSION, 1.0, 3.5, 0, 0, "reset", node="mqtt", client_port=4711)
WHOLE = LongLived(Kind.SESSION, 0.0, 9.0, 0, 0)


@pytest.mark.parametrize(("allowed", "told"), [(0, True), (1, False), (None, False)])
def test_a_session_that_is_cut_is_told_where_none_may_be(allowed: int | None, told: bool) -> None:
    found = list(long_lived_counts.problems([CUT, WHOLE], Budget(cut=allowed)))
    assert found == (
        [
            "1 stream sessions cut, and 0 are allowed: stream session (port 4711, mqtt): reset at "
            "3.50 s, 2.50 s after its beginning"
        ]
        if told
        else []
    )


def test_they_are_counted_and_drawn_only_where_there_are_any() -> None:
    download = LongLived(Kind.DOWNLOAD, 0.0, 1.0, 1, 5)
    assert str(long_lived_counts.count_long_lived([CUT, WHOLE])).endswith(
        "0 of 0 downloads cut, 1 of 2 stream sessions cut"
    )
    assert "stream" not in str(long_lived_counts.count_long_lived([download]))
    assert picture_long_lived.kinds(()) == ()
    assert picture_long_lived.kinds((download,)) == (Kind.KEEP_ALIVE, Kind.DOWNLOAD)
    assert picture_long_lived.kinds((CUT,))[-1] is Kind.SESSION
