"""What the watch tells BIRD, on a socket of a BIRD that is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import programs
from tests.unit.programs.routed.fake_bird import FakeBird
from tests.unit.programs.watch import test_watch_processes as watched

bird_routes = programs.load("watch.bird_routes")
bird_control = programs.load("common.bird_control")
loop = programs.load("watch.watch_loop")
announcement = programs.load("watch.announcement")
SERVES, YIELDS, NOTHING = announcement.SERVES, announcement.YIELDS, announcement.NOTHING

CONFIGURATION = """
protocol static vip_serves4 {
    disabled yes;
}
protocol static vip_yields4 {
    disabled yes;
}
protocol static vip_serves6 {
    disabled yes;
}
protocol static vip_yields6 {
    disabled yes;
}
protocol bgp router_1 from routers {
    neighbor 10.1.0.1 as 64512;
}
"""
ON = {
    SERVES: ["vip_serves4", "vip_serves6"],
    YIELDS: ["vip_yields4", "vip_yields6"],
    NOTHING: [],
}


@pytest.fixture
def bird(tmp_path: Path) -> Iterator[FakeBird]:
    made = FakeBird(tmp_path / "ctl", CONFIGURATION)
    yield made
    made.stop()


def routes(bird: FakeBird, **arguments: Any) -> Any:
    # (Its own patience is too short for a machine that runs tests.)
    return bird_routes.BirdRoutes(str(bird.path), **({"wait_s": 2.0} | arguments))


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


@pytest.mark.parametrize("before", [SERVES, YIELDS, NOTHING])
@pytest.mark.parametrize("after", [SERVES, YIELDS, NOTHING])
def test_both_families_are_announced_in_one_way_or_not_at_all(
    bird: FakeBird, before: str, after: str
) -> None:
    told = routes(bird)
    for each in (before, after):
        told.want(each)
        assert bird.up() == ON[each]


def test_what_comes_is_enabled_before_what_goes_is_disabled(bird: FakeBird) -> None:
    told = routes(bird)
    told.want(SERVES)
    told.want(YIELDS)
    assert bird.commands[-2:] == ['enable "vip_yields*"', 'disable "vip_serves*"']


def test_the_same_is_told_once(bird: FakeBird) -> None:
    told = routes(bird)
    told.want(SERVES)
    count = len(bird.commands)
    told.want(SERVES)
    assert len(bird.commands) == count


def test_a_bird_that_was_started_anew_is_told_again(
    bird: FakeBird, capsys: pytest.CaptureFixture[str]
) -> None:
    told = routes(bird)
    told.want(SERVES)
    bird.read(CONFIGURATION)
    bird.drop()
    assert bird.up() == []
    assert until(lambda: bool(told.go_on() or bird.up()))
    assert bird.up() == ON[SERVES]
    said = capsys.readouterr().err
    assert "BIRD has ended" in said and "BIRD is there again, and is told" in said


def test_one_that_has_read_its_configuration_again_is_told_again(
    bird: FakeBird, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bare `birdc configure`, or a person's `birdc disable`."""
    told = routes(bird)
    told.want(SERVES)
    bird.read(CONFIGURATION)
    told.go_on()
    assert until(lambda: bool(told.go_on() or bird.up() == ON[SERVES]))
    assert "vip_serves4, vip_serves6: not as told, told again (serves)" in capsys.readouterr().err
    count = len([each for each in bird.commands if each.startswith("enable")])
    for _ in range(3):
        told.go_on()
    assert len([each for each in bird.commands if each.startswith("enable")]) == count


def test_nothing_is_told_before_something_is_wanted(bird: FakeBird) -> None:
    bird.protocols["vip_serves4"] = "up"  # by the watch before this one
    told = routes(bird)
    assert until(lambda: bool(told.go_on() or bird.commands))
    assert set(bird.commands) == {bird_routes.SHOW} and bird.up() == ["vip_serves4"]


def test_no_bird_is_said_once_and_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = bird_routes.BirdRoutes(str(tmp_path / "ctl"))
    told.want(SERVES)
    for _ in range(3):
        told.go_on()
    assert capsys.readouterr().err.count("BIRD is not there") == 1 and told.news() == []
    bird = FakeBird(tmp_path / "ctl", CONFIGURATION)
    assert until(lambda: bool(told.go_on() or bird.up() == ON[SERVES]))
    bird.stop()


def test_a_silent_bird_costs_milliseconds_and_is_asked_on_another_connection(
    bird: FakeBird, capsys: pytest.CaptureFixture[str]
) -> None:
    bird.silent = True
    told = routes(bird, wait_s=0.005, silent_s=0.2)
    began_s = time.monotonic()
    told.want(NOTHING)
    told.go_on()
    assert time.monotonic() - began_s < 0.15  # not `silent_s`
    assert until(lambda: bool(told.go_on() or len(bird.connections) > 1))
    assert "BIRD does not answer" in capsys.readouterr().err
    bird.silent = False
    assert until(lambda: bool(told.go_on() or 'disable "vip_*"' in bird.commands))


def test_what_bird_refuses_is_said_in_its_words(
    bird: FakeBird, capsys: pytest.CaptureFixture[str]
) -> None:
    bird.refuses = "8003 No protocols match"
    routes(bird).want(SERVES)
    assert 'BIRD enable "vip_serves*": No protocols match' in capsys.readouterr().err


def test_a_bird_that_never_answers_is_ended(
    bird: FakeBird, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []

    def end(pid: int) -> bool:
        ended.append(pid)
        bird.silent = False
        return True

    monkeypatch.setattr(bird_routes, "end", end)
    bird.silent = True
    made = bird_routes.BirdRoutes(str(bird.path), wait_s=0.01, silent_s=0.02, hangs_s=0.2)
    began_s = time.monotonic()
    made.want(SERVES)
    while not ended and time.monotonic() - began_s < 20:
        made.go_on()
        time.sleep(0.01)
    assert ended == [os.getpid()]  # it runs in this process here
    assert time.monotonic() - began_s >= 0.2


def test_nobody_is_ended_but_a_bird(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"])
    program = tmp_path / "bird"
    program.symlink_to("/bin/sleep")
    one = subprocess.Popen([program, "60"])
    try:
        assert not bird_routes.end(other.pid) and other.poll() is None
        assert bird_routes.end(one.pid) and one.wait(10) == -signal.SIGKILL
    finally:
        for each in (other, one):
            each.kill()
            each.wait()


def test_an_answer_that_comes_in_pieces_is_one() -> None:
    text = b"1002-vip_serves4 Static master4 up 10:00\n vip_yields4 Static master4 down 10\n0000 \n"
    for cut in range(1, len(text)):
        reply = bird_control.BirdReply()
        assert not reply.take(text[:cut]) or cut >= len(text)
        assert reply.take(text[cut:])
        found = bird_control.states(reply.text())
        assert found == {"vip_serves4": "up", "vip_yields4": "down"}


# --- the watch's loop ----------------------------------------------------------------------------


def test_the_loop_withdraws_at_the_death_of_nginx_and_holds_bird_to_what_it_judges(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bird: FakeBird
) -> None:
    found: list[list[str]] = []
    told: list[str] = []
    drain = tmp_path / "down"

    class Master(watched.FollowedMaster):
        def wait(self, timeout_s: float) -> bool:
            found.append(bird.up())
            told.append((tmp_path / "announced").read_text())
            assert len(getattr(self, "others", ())) == 1  # BIRD's end wakes it
            if len(found) == 2:
                drain.write_text("")
            if len(found) == 4:
                drain.unlink()
            if len(found) == 6:
                raise KeyboardInterrupt
            time.sleep(0.06)
            return len(found) == 5

    def first_bytes(*_: Any) -> bytes:
        return b"HTTP/1.1 200 OK"

    kept = bird_routes.BirdRoutes

    def patient(path: str) -> Any:
        return kept(path, wait_s=2.0)

    watched.pretend(monkeypatch, Master)
    monkeypatch.setattr(loop, "BirdRoutes", patient)
    monkeypatch.setattr(loop, "stuck_processes", lambda: pytest.fail("there is no keepalived"))
    answers = iter([True, True, True, True, True, False])

    def answer(self: Any) -> bool:
        # Before anything else is asked.
        assert len(found) < 5 or bird.up() == ON[NOTHING]
        return next(answers)

    monkeypatch.setattr(loop.NginxHealth, "answers", answer)
    monkeypatch.setattr(watched.other_nodes, "first_bytes", first_bytes)
    another_serves = SimpleNamespace(any=lambda now_s: True)
    monkeypatch.setattr(loop, "ServingNodes", lambda: another_serves)
    asked: list[Any] = []
    monkeypatch.setattr(loop.NodePremises, "__init__", lambda self, *given: asked.extend(given))
    words = f"--bird {bird.path} --drain {drain} --graceful 0.05 --directory {tmp_path}".split()
    options = "--vip 192.0.2.9 --port 80 --other 192.0.2.2 --interval 1 --timeout 1 --misses 1"
    monkeypatch.setattr("sys.argv", ["watch", *options.split(), "--trial", "60", *words])
    for file in ("failed", "last-resort"):
        (tmp_path / file).write_text("0\n")
    with pytest.raises(KeyboardInterrupt):
        loop.main()
    assert found == [
        ON[SERVES],
        ON[SERVES],
        ON[YIELDS],  # drained
        ON[NOTHING],
        ON[SERVES],
        ON[NOTHING],  # its nginx is dead
    ]
    # What the hand-over tells the other nodes.
    assert told == ["1\n", "1\n", "0\n", "0\n", "1\n", "0\n"]
    assert asked[-1] == "router"
