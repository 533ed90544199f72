"""nginx's health, what the service manager says when it cannot act on nginx, and waiting for it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.support.nginx_processes import failed

health = programs.load("apply_nginx.serving.health")
service_manager = programs.load("apply_nginx.serving.service_manager")
old_connections = programs.load("apply_nginx.serving.old_connections")
commands = programs.load("common.commands")
layout = programs.load("apply_nginx.layout")
CommandResult = programs.load("common.commands").CommandResult


def test_one_answer_is_not_health_and_five_in_a_row_are(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["", "", "answers '500'", "", "", "", "", "", "not asked any more"])
    monkeypatch.setattr(health, "current_problem", lambda port: next(answers))
    assert health.is_healthy(80, 5)
    assert next(answers) == "not asked any more"


def test_what_never_answers_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "current_problem", lambda port: "does not answer")
    assert not health.is_healthy(80, 0.15)


class Nginx:
    """One that accepts and closes, or answers with what `says` has; `workers` before and after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, says: bytes, *workers: list[int]) -> None:
        self.says = says
        self.looks = 0
        self.workers = workers
        monkeypatch.setattr(health, "first_bytes", lambda *_: self.says)
        monkeypatch.setattr(health, "problem", lambda *_: "answers ''")
        monkeypatch.setattr(health.masters, "new", lambda: 1)
        monkeypatch.setattr(health.masters, "accepting", self._accepting)

    def _accepting(self, master: int) -> list[int]:
        self.looks += 1
        return self.workers[(self.looks - 1) % len(self.workers)]


@pytest.mark.parametrize(
    ("says", "workers", "healthy"),
    [
        (b"", [[7, 8]], True),  # it is full: a change that gives it room must not be undone
        (b"", [[7, 8], [7, 9]], False),  # a worker has ended: it crashes
        (b"", [[]], False),
        (b"HTTP/1.1 500 ", [[7, 8]], False),
    ],
)
def test_a_full_nginx_is_healthy_and_one_that_crashes_is_not(
    monkeypatch: pytest.MonkeyPatch, says: bytes, workers: list[list[int]], healthy: bool
) -> None:
    Nginx(monkeypatch, says, *workers)
    assert health.is_healthy(80, 0.3) is healthy
    assert not health.is_healthy(80, 0.3, may_be_full=False), "nobody fills it in its rehearsal"


def test_the_last_serious_lines_of_the_error_log_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "error.log"
    monkeypatch.setattr(layout, "ERROR_LOG", str(log))
    assert health.serious_errors() == ""
    lines = [f"[{level}] {number}" for number in range(4) for level in ("emerg", "warn", "crit")]
    log.write_text("\n".join(lines))
    assert health.serious_errors().split("\n") == [
        *("[crit] 1", "[emerg] 2", "[crit] 2", "[emerg] 3", "[crit] 3"),
    ]


def manager(monkeypatch: pytest.MonkeyPatch, failing: str = "") -> list[str]:
    verbs: list[str] = []

    def run(*words: str) -> Any:
        verbs.append(words[1])
        return CommandResult(int(words[1] == failing), "what the journal says", "")

    monkeypatch.setattr(service_manager, "run", run)
    restart = "what is waited for has its own tests", "restart"
    monkeypatch.setattr(service_manager, "_restart", lambda timeout_s: run(*restart).code)
    return verbs


def test_a_start_is_not_refused_for_the_failures_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    verbs = manager(monkeypatch)
    service_manager.act("start")
    service_manager.act("reload")
    assert verbs == ["reset-failed", "start", "reload"]


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("start", "it does not start"),
        ("restart", "it does not start again"),
        ("reload", "the reload failed"),
    ],
)
def test_a_failure_is_shown_with_the_journal(
    monkeypatch: pytest.MonkeyPatch, verb: str, message: str
) -> None:
    manager(monkeypatch, failing=verb)
    with pytest.raises(failed()) as error:
        service_manager.act(verb)
    assert str(error.value) == f"{message}. Its journal says:\nwhat the journal says"


def test_a_command_that_fails_is_named_with_what_it_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "run", lambda *words: CommandResult(2, "", "no"))
    with pytest.raises(failed(), match=r"^mount --bind a b: no$"):
        service_manager.must("mount", "--bind", "a", "b")


def test_properties_are_the_lines_that_are_pairs() -> None:
    text = "MainPID=1\nnoise\nExecStart={ path=/x }\n"
    assert service_manager.parse_properties(text) == {"MainPID": "1", "ExecStart": "{ path=/x }"}


# --- waiting for old connections -------------------------------------------------------------


@pytest.fixture
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
    old_connections.wait_aloud(never, 1, 0.01, lambda: f"{next(left)} connections")
    said = capsys.readouterr().err.splitlines()
    assert 2 <= len(said) <= 11
    assert said[0].startswith("waiting: 99 connections, ")
    assert said[1].startswith("waiting: 98 connections, ")
    assert all(line.endswith(f"touch {skip}") for line in said)


def test_what_is_over_soon_is_waited_for_in_silence(
    skip: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_connections, "FIRST_S", 4)  # on a machine that is busy, too
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
    skip: Path,
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
