"""The command line of init.py: what is missing or wrong is refused before a machine is asked."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from first_inventory import command, given_answers
from first_inventory.given_answers import GivenAnswers, WrongAnswer
from first_inventory.person import Gone
from first_inventory.questionnaire import Questionnaire


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Its exit code, with nobody at the terminal and no machine that could be asked."""

    def asked(*_: Any) -> None:
        raise AssertionError("a machine was asked")

    monkeypatch.setattr(sys, "argv", ["init.py", *words])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(command, "AskedMachines", asked)
    return command.main()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), ["--hosts: ", "--vip: ", "--yes: ", "3 mistakes"]),
        (("--hosts", "a,b", "--yes"), ["--vip: "]),
        (("--hosts", "a,b", "--vip", "10.0.0.1"), ["--yes: "]),
        (
            ("--hosts", "a,a", "--vip", "x", "--yes", "--name", "all", "--email", "@"),
            ["--hosts: a is named 2 times", "--name: 'all'", "--email: '@'"],
        ),
        (("--hosts", "a,b@c,d", "--vip", "x", "--yes"), ["b@c: give c alone"]),
        (("--ntp-server", "a b", "--smtp-server", "c d"), ["--ntp-server: ", "--smtp-server: "]),
    ],
)
def test_everything_that_is_missing_or_wrong_comes_at_once(
    words: Sequence[str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *words) == 1
    shown = capsys.readouterr().err
    for each in said:
        assert each in shown
    assert "o machine was touched" in shown


def test_an_option_that_nobody_knows_is_refused_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--host", "a,b") == 2
    assert "Did you mean '--hosts'?" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (Gone, 1)])
def test_who_leaves_is_told_that_nothing_was_written(
    error: type[BaseException],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def leaves(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Questionnaire, "conduct", leaves)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "--hosts", "a,b", "--vip", "10.0.0.1", "--yes") == code
    shown = capsys.readouterr().err
    assert "Nothing was written, and no machine was changed." in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["a,b", "a b", "a, b", " a ; b "])
def test_machines_are_listed_as_people_do(text: str) -> None:
    assert given_answers.hosts_of(text) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "two machines or more"),
        ("", "two machines or more"),
        ("a a", "named 2 times"),
        ("root@a b", "give a alone"),
        ("a:2222 b", "a port belongs into"),
        ("10.0.0.300 b", "no IPv4 address"),
        ("fd00::1 b", "give an IPv4 address, or a name"),
    ],
)
def test_what_names_no_machine_is_refused(text: str, said: str) -> None:
    with pytest.raises(WrongAnswer, match=said):
        given_answers.hosts_of(text)


@pytest.mark.parametrize("name", ["1a", "a-b", "class", "all", "vip", "yes", ""])
def test_a_cluster_has_a_name_that_a_group_can_have(name: str) -> None:
    with pytest.raises(WrongAnswer):
        given_answers.cluster_of(name)


def test_what_was_answered_can_be_typed_again() -> None:
    given = GivenAnswers(("a", "b"), "ann", True, "10.0.0.9/24", "web", "ntp", ("x@y.z",), "mx")
    words = given_answers.typed(given, "mine.py").split()
    options = dict(zip(words[3::2], words[4::2], strict=False))
    assert "--sudo" in words
    for option in given_answers.OPTIONS.values():
        assert option in words, options
