"""What nginx is, by its answer and by what its workers do: every state by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import programs

answers = programs.load("watch.nginx_answer")

Worker = answers.Worker

IDLE = Worker("S", 150, 900)
STOPPED, ON_DISK = IDLE._replace(state="T"), IDLE._replace(state="D")
RUNS = IDLE._replace(state="R")
WORKED, SLEPT = IDLE._replace(ticks=151), IDLE._replace(sleeps=950)


def judged(answer: str, *pairs: tuple[Any, Any], since_s: float | None = 0.3) -> str:
    """What nginx is with workers that were the first of each pair, and are the second."""
    before = {pid: first for pid, (first, _) in enumerate(pairs, 10)}
    last = {pid: second for pid, (_, second) in enumerate(pairs, 10)}
    watched = answers.WatchedWorkers(list(before), before, last)
    return str(answers.judge(answer, watched, since_s))


@pytest.mark.parametrize(
    ("workers", "is_now"),
    [
        ([(IDLE, IDLE), (IDLE, IDLE)], "hung"),  # they wait for what does not come
        ([(STOPPED, STOPPED), (STOPPED, STOPPED)], "hung"),
        ([(IDLE, STOPPED._replace(ticks=153))], "hung"),  # stopped while it was asked
        ([(IDLE, IDLE._replace(state="t"))], "hung"),  # by a debugger
        ([(ON_DISK, ON_DISK)], "hung"),  # of a disk that does not answer
        ([(IDLE, IDLE._replace(state="Z"))], "hung"),
        ([], "hung"),
        ([(IDLE, RUNS)], "busy"),  # or starved of CPU
        ([(IDLE, WORKED)], "busy"),
        ([(ON_DISK, ON_DISK._replace(sleeps=950))], "busy"),  # of a slow disk
        ([(IDLE, SLEPT)], "busy"),
        ([(STOPPED, STOPPED), (IDLE, WORKED)], "busy"),  # one of them is frozen
    ],
)
def test_a_silence_is_judged_by_what_the_workers_do(
    workers: list[tuple[Any, Any]], is_now: str
) -> None:
    assert judged("silent", *workers) == is_now


@pytest.mark.parametrize(("since_s", "is_now"), [(9.9, "busy"), (10.0, "hung"), (None, "hung")])
def test_busy_is_no_excuse_for_ever_nor_for_one_that_never_answered(
    since_s: float | None, is_now: str
) -> None:
    assert judged("silent", (IDLE, RUNS), since_s=since_s) == is_now


@pytest.mark.parametrize(
    ("answer", "is_now"),
    [("answered", "alive"), ("closed", "full"), ("wrong", "dead"), ("refused", "dead")],
)
def test_any_other_answer_tells_by_itself(answer: str, is_now: str) -> None:
    assert judged(answer, (IDLE, IDLE), since_s=None) == is_now


def test_a_worker_that_crashes_at_every_request_is_not_full() -> None:
    def closed(asked: list[int], last: dict[int, Any]) -> str:
        return str(answers.judge("closed", answers.WatchedWorkers(asked, {}, last), 0.3))

    assert closed([10, 11], {10: IDLE, 11: IDLE}) == "full"
    assert closed([10, 11], {10: IDLE, 12: IDLE}) == "dead", "another has been started for it"
    assert closed([10, 11], {10: IDLE, 11: IDLE._replace(state="Z")}) == "dead"
    assert closed([], {}) == "dead", "there is no worker"
