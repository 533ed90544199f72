"""nginx's health, and what the service manager says when it cannot act on nginx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.support.nginx_processes import failed

health = programs.load("apply_nginx.health")
service_manager = programs.load("apply_nginx.service_manager")
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
