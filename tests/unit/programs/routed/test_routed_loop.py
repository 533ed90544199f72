"""The loop of a routed node's hand-over: how often it does what, and what it says at its end."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import programs

routed_loop = programs.load("handover.mesh.routed_loop")
beating_ = programs.load("handover.mesh.beating")
results = programs.load("common.commands")
VIP, VIP6 = "192.0.2.80", "2001:db8::80"


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come about"
        time.sleep(0.01)


# --- how often -------------------------------------------------------------------------------


def test_news_is_looked_at_at_once_and_what_comes_soon_after_it_together() -> None:
    reading, writing = socket.socketpair()
    with reading, writing:
        pace = routed_loop.Pace(SimpleNamespace(socket=reading))
        writing.send(b"news")  # and never read: there is always more
        began_s = time.monotonic()
        pace.wait(60)
        assert time.monotonic() - began_s < routed_loop.PAUSE_S
        for _ in range(3):
            pace.acted()
            pace.wait(60)
        assert time.monotonic() - began_s >= 3 * routed_loop.PAUSE_S


def test_an_address_that_is_refused_is_not_tried_at_each_piece_of_news(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def put_on_lo(vip: str, lifetime: str) -> bool:
        tried.append(vip)
        return vip == VIP

    monkeypatch.setattr(routed_loop, "put_on_lo", put_on_lo)
    on_lo = routed_loop.VipsOnLo([VIP, VIP6])
    for tenth in range(0, 21, 5):
        on_lo.ensure(1000 + tenth / 10)
    assert tried.count(VIP) == 5
    assert tried.count(VIP6) == 2, "at first, and after two seconds"


def test_who_looks_for_ended_connections_has_no_real_time_priority() -> None:
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # inherited, as real time is
    try:
        ended = routed_loop.EndedConnections([VIP, VIP6])
        assert ended.command[-1] == f"( src {VIP} or src [{VIP6}] )"
        ended.command = ("sleep", "60")
        ended.forget()
        first = ended.running
        assert os.sched_getscheduler(first.pid) == os.SCHED_OTHER
        ended.forget()
        assert ended.running is first, "one at a time"
    finally:
        first.kill()
        first.wait()
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


# --- beats -----------------------------------------------------------------------------------


class Said:
    """Beats that are written down."""

    def __init__(self) -> None:
        self.pauses: list[bool] = []

    def send(self, index: int, pauses: bool = False) -> None:
        assert index == 7
        self.pauses.append(pauses)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    monkeypatch.setattr(beating_, "interface_index", lambda name: 7)
    return Said()


@pytest.mark.parametrize("pauses", [True, False])
def test_beats_go_on_beside_the_program_until_the_last_word(said: Said, pauses: bool) -> None:
    beating = beating_.Beating(said)
    beating.start()
    until(lambda: len(said.pauses) > 2)  # this thread does nothing for them
    assert beating.goes_on
    beating.end(pauses)
    assert not beating.is_alive() and not beating.goes_on
    assert said.pauses[-1] is pauses and not any(said.pauses[:-1])


def test_one_that_stands_still_is_no_sign_of_life(said: Said) -> None:
    beating = beating_.Beating(said)
    assert not beating.goes_on, "not started"
    held = threading.Event()
    said.send = lambda *_: held.wait(30)  # type: ignore[assignment, method-assign]
    beating.start()
    assert beating.goes_on
    beating.went_on_s -= beating_.STANDS_STILL_S
    assert not beating.goes_on
    held.set()
    beating.end(pauses=False)


JOB = "1234 tandem-handover.service {} running"


@pytest.mark.parametrize(
    ("jobs", "for_good"),
    [
        (JOB.format("stop"), True),
        (JOB.format("restart"), False),
        ("", False),
        ("12 tandem-handover-more.service stop waiting\n" + JOB.format("restart"), False),
    ],
)
def test_an_end_for_good_is_told_from_a_deploys_restart(
    monkeypatch: pytest.MonkeyPatch, jobs: str, for_good: bool
) -> None:
    asked: list[Any] = []

    def run(*words: str, timeout_s: float) -> Any:
        asked.append(words)
        return results.CommandResult(0 if jobs else 1, jobs, "")

    monkeypatch.setattr(routed_loop, "run", run)
    assert routed_loop.stopped_for_good() is for_good
    assert asked[0][:2] == ("systemctl", "list-jobs")


def test_a_command_is_given_its_input() -> None:
    assert results.run("cat", given="one\ntwo\n", timeout_s=5).output == "one\ntwo"
    assert results.run("cat", timeout_s=5).output == ""
