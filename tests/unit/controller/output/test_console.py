"""What is left of pyinfra's lines: each thing once, with the machines that it is about."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace

import gevent
import pytest
from pyinfra import logger, progress

from controller.output import console
from report import live_line

HOSTS = ("host1", "host2", "host3")


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    lines = Lines()
    monkeypatch.setattr(console, "_console", console._Console())
    monkeypatch.setattr(console, "_machines", lambda: set(HOSTS))
    monkeypatch.setattr(logger, "handlers", [lines])
    monkeypatch.setattr(logger, "filters", [])
    before = logger.level
    logger.setLevel(logging.INFO)
    console.install()
    yield lines.said
    live_line.end()
    logger.setLevel(before)


def step(name: str, *outcomes: str) -> None:
    logger.info(f"\x1b[34m--> Starting operation:\x1b[0m \x1b[1m{name}\x1b[0m ")
    for host, outcome in zip(HOSTS, outcomes, strict=False):
        logger.info(f"[\x1b[1m{host}\x1b[0m] \x1b[36m{outcome}\x1b[0m")


def test_a_step_without_a_change_is_not_told(said: list[str]) -> None:
    step("Account: user and group nginx", "No changes", "No changes", "Skipped")
    console.flush()
    assert said == []


def test_a_step_that_changes_something_is_named_once(said: list[str]) -> None:
    step("One", "No changes", "Success", "Success")
    step("Two", "No changes", "No changes", "No changes")
    assert len(said) == 1 and "One" in said[0]


def test_a_step_is_named_before_its_command_is_over(said: list[str]) -> None:
    step("Build")
    console.begin_step()
    assert "Build" in said[0]
    console.begin_step()
    assert len(said) == 1


def test_what_machines_say_alike_is_one_line(said: list[str]) -> None:
    for host in ("host2", "host1"):
        for text in ("it is not known", "line 2"):
            logger.error(f"[{host}] {text}")
    assert said == [], "another machine may say the same"
    gevent.sleep(console.TOGETHER_S + 0.1)
    assert said == ["[host1, host2] it is not known", "[host1, host2] line 2"]


def test_order_is_kept_where_something_else_is_told(said: list[str]) -> None:
    step("One")
    logger.info("[host1] nginx: reload, because its configuration has changed")
    logger.info("--> Beginning operation run...")
    assert [line.split()[-1] for line in said[1:]] == ["changed", "run..."]
    assert "One" in said[0]


def test_one_that_says_it_twice_is_told_twice(said: list[str]) -> None:
    for _ in range(2):
        logger.warning("[host1] again")
    console.flush()
    assert said == ["[host1] again"] * 2


@pytest.mark.parametrize(
    "line",
    [
        "--> Skipping change detection",
        "--> Results:",
        "--> Disconnecting from hosts...",
        "[host1] Error: executed 4 commands",
        "[host1] Ready: deploy.py",
    ],
)
def test_what_tells_nothing_is_dropped(said: list[str], line: str) -> None:
    logger.info(line)
    console.flush()
    assert said == []


def test_another_word_in_brackets_is_no_machine(said: list[str]) -> None:
    logger.warning("[emerg] unknown directive")
    assert said == ["[emerg] unknown directive"]


def test_without_an_inventory_there_is_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ctx_state", SimpleNamespace(isset=lambda: False))
    assert console._machines() == set()


# --- the live line ---


@pytest.fixture
def stages(said: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that it shows, "" where it is ended."""
    shown: list[str] = []
    monkeypatch.setattr(live_line, "begin", lambda stage, said: shown.append(stage.strip()))
    monkeypatch.setattr(live_line, "end", lambda: shown.append(""))
    return shown


def test_a_step_is_a_stage_of_the_live_line_also_before_it_changes_anything(
    stages: list[str],
) -> None:
    logger.info("--> Preparing Operations...")
    step("Build: nginx", "Success")
    assert stages == ["Preparing Operations...", "Build: nginx"]
    console.flush()
    assert stages[-1] == "", "before a person is asked, and at the end"


def test_there_is_no_live_line_while_pyinfra_may_ask_for_a_keys_password(stages: list[str]) -> None:
    logger.info("--> Loading inventory...")
    logger.info("--> Connecting to hosts...")
    assert stages == ["Loading inventory...", ""]


def test_pyinfra_draws_nothing_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "IS_TTY", True)
    monkeypatch.setattr(progress, "_print_spinner", progress._print_spinner)
    drawn = SimpleNamespace(write=lambda text: pytest.fail(text), flush=lambda: None)
    console.no_spinner()
    monkeypatch.setattr(progress.sys, "stderr", drawn)
    progress._print_spinner(SimpleNamespace(is_set=lambda: False), ["host1"])  # type: ignore[no-untyped-call]


def test_what_is_waited_for_is_said_once_and_how_far_it_is_stands_in_the_live_line(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[tuple[str, str]] = []
    monkeypatch.setattr(live_line, "part", lambda text, of="": parts.append((text, of)))
    command = console.CommandProgress(SimpleNamespace(name="host1", print_prefix="[host1] "))  # type: ignore[arg-type]
    for text in ("waiting: 3 left", "waiting: 2 left", "waiting: for apt-get"):
        command.waits(text)
    command.goes_on("5 of 9 files")
    command.end()
    console.flush()
    assert said == ["[host1] waiting: 3 left", "[host1] waiting: for apt-get"]
    assert [text for text, _ in parts] == [
        *("waiting: 3 left", "waiting: 2 left", "waiting: for apt-get", "5 of 9 files", ""),
    ]
    assert {of for _, of in parts} == {"host1"}
