"""Waiting for old connections: what is said meanwhile, and how a person ends it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import programs

old_connections = programs.load("apply_nginx.old_connections")
service_manager = programs.load("apply_nginx.service_manager")
CommandResult = programs.load("common.commands").CommandResult


@pytest.fixture(autouse=True)
def skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(old_connections, "SKIP", str(tmp_path / "skip"))
    monkeypatch.setattr(old_connections, "FIRST_S", 0.05)
    monkeypatch.setattr(old_connections, "EVERY_S", 0.1)
    return tmp_path / "skip"


def never() -> bool:
    return False


def test_it_says_again_and_again_what_it_waits_for_and_how_to_skip_it(
    skip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = iter(range(99, 0, -1))
    old_connections.wait_aloud(never, 0.4, 0.01, lambda: f"{next(left)} connections")
    said = capsys.readouterr().err.splitlines()
    assert 2 <= len(said) <= 5
    assert said[0].startswith("waiting: 99 connections, ")
    assert said[1].startswith("waiting: 98 connections, ")
    assert all(line.endswith(f"touch {skip}") for line in said)


def test_what_is_over_soon_is_waited_for_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter(["", "", "over"])
    assert old_connections.wait_aloud(lambda: next(answers), 5, 0.001, str) == "over"
    assert capsys.readouterr().err == ""


def test_it_is_skipped_once(skip: Path) -> None:
    def skip_soon() -> str:
        skip.touch()
        return "some connections"

    assert old_connections.wait_aloud(never, 60, 0.01, skip_soon) is None
    assert not skip.exists()


def test_a_wish_to_skip_an_earlier_wait_is_forgotten(skip: Path) -> None:
    skip.touch()
    assert old_connections.wait_aloud(never, 0.02, 0.01, str) is False
    assert not skip.exists()


def test_connections_are_counted_for_the_processes_that_have_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = (
        'ESTAB 0 0 172.16.12.254:80 172.16.0.1:4000 users:(("nginx",pid=11,fd=9))\n'
        'ESTAB 0 0 172.16.12.254:80 172.16.0.1:4001 users:(("nginx",pid=110,fd=9))'
    )
    monkeypatch.setattr(old_connections, "run", lambda *words: CommandResult(0, listed, ""))
    assert old_connections.connections_of([10, 11]) == "1 connection"
    assert old_connections.connections_of([11, 110]) == "2 connections"
    monkeypatch.setattr(old_connections, "run", lambda *words: CommandResult(127, "", "no ss"))
    assert old_connections.connections_of([11]) == "some connections"


@pytest.fixture
def ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A master that ends when it is told to, and a service manager whose restart waits for it."""
    master = subprocess.Popen(["sleep", "60"])
    service = tmp_path / "service"
    service.write_text(
        f"#!/bin/sh\n[ $1 = show ] && echo MainPID={master.pid} && exit\n"
        f"while [ -e /proc/{master.pid}/exe ]; do sleep 0.02; done; exit 7\n"
    )
    service.chmod(0o755)
    monkeypatch.setattr(service_manager, "SERVICE", str(service))
    yield master
    master.kill()
    master.wait()


def say_then(act: Callable[[], None]) -> Callable[[object], str]:
    def connections_of(pids: object) -> str:
        act()
        return "3 connections"

    return connections_of


def test_a_restart_says_what_it_waits_for_and_ends_with_the_managers_answer(
    ending: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(service_manager, "connections_of", say_then(ending.kill))
    assert service_manager._restart(60) == 7
    assert "waiting: 3 connections of the nginx that has to end, 60 s at most. To cut them" in (
        capsys.readouterr().err
    )


def test_who_skips_a_restarts_wait_cuts_what_it_waits_for(
    ending: subprocess.Popen[bytes], skip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_manager, "connections_of", say_then(skip.touch))
    assert service_manager._restart(60) == 7
    assert ending.wait() == -signal.SIGTERM
