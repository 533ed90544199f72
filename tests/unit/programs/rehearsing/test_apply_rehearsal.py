"""What apply-nginx tests before it touches anything, and how it says what was wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.support.nginx_processes import failed
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.rehearsal")
CommandResult = programs.load("common.commands").CommandResult
walls = programs.load("apply_nginx.walls")
installed_files = programs.load("apply_nginx.installed_files")


class CommandAnswers:
    """Answers for the commands that are run, in turn; and what /etc/nginx would have been."""

    def __init__(self, disk: Disk, *answers: Any) -> None:
        self.disk, self.answers = disk, list(answers)
        self.run_words: list[tuple[str, ...]] = []
        self.preview: dict[str, str] = {}

    def __call__(self, *words: str, timeout_s: float | None = None) -> Any:
        self.run_words.append(words)
        for directory in self.disk.state.glob("view.*[0-9]"):
            self.preview = {
                str(path.relative_to(directory)): path.read_text()
                for path in directory.rglob("*")
                if path.is_file()
            }
        return self.answers.pop(0)


def commands(disk: Disk, patch: pytest.MonkeyPatch, *answers: Any) -> CommandAnswers:
    fake = CommandAnswers(disk, *answers)
    patch.setattr(program, "run", fake)
    patch.setattr(walls, "run", fake)
    return fake


OK = CommandResult(0, "", "")


def test_the_test_sees_the_users_own_files_and_not_the_obsolete_ones(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_files.install(disk.generation("one", __a="a;"))
    (disk.etc / "conf.d" / "own.conf").write_text("mine;")
    before = disk.in_etc()
    fake = commands(disk, monkeypatch, OK)
    program.check_configuration(disk.generation("two", "new", __b="b;"))
    assert fake.preview == {"nginx.conf": "# two", "conf.d/b": "b;", "conf.d/own.conf": "mine;"}
    who = fake.run_words[0][-4]
    assert who == str(disk.builds / "new" / "nginx"), "who will read it, tests it"
    assert disk.in_etc() == before
    assert list(disk.state.glob("view.*")) == []


def test_what_nginx_refuses_is_said_with_the_files_that_it_was_made_from(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = disk.etc / "conf.d" / "a"
    commands(disk, monkeypatch, CommandResult(1, "", f'[emerg] unknown directive "a" in {at}:1'))
    sources = ("conf.d/a=files/nginx/conf.d/a", "nginx.conf=templates/nginx/nginx.conf.j2")
    with pytest.raises(failed()) as error:
        program.check_configuration(disk.generation("one", __a="a;"), sources)
    assert str(error.value).splitlines() == [
        f'[emerg] unknown directive "a" in {at}:1',
        f"{at} is made from files/nginx/conf.d/a",
    ]
    assert list(disk.state.glob("view.*")) == []


def test_a_build_that_is_not_here_is_said_before_anything_is_run(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = commands(disk, monkeypatch)
    wanted = disk.generation("one", "gone")
    Path(wanted.binary).unlink()
    with pytest.raises(failed(), match="there is no build gone here"):
        program.check_configuration(wanted)
    assert fake.run_words == []


def test_a_name_that_cannot_be_resolved_in_there_is_resolved_out_here(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = CommandResult(1, "", '[emerg] host not found in upstream "app.example:80" in x:1')
    resolved = CommandResult(0, "192.0.2.7 STREAM app.example\n192.0.2.8 STREAM", "")
    fake = commands(disk, monkeypatch, unknown, resolved, OK)
    program.rehearse(disk.generation("one"))
    assert fake.run_words[1] == ("getent", "ahosts", "app.example")
    assert (disk.state / "view.hosts").read_text().endswith("\n192.0.2.7 app.example\n")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            [CommandResult(1, "", "it does not answer")],
            "refused in its rehearsal: it does not answer",
        ),
        ([CommandResult(3, "", "")], "refused in its rehearsal: exit 3"),
        (
            [
                CommandResult(1, "", 'host not found in upstream "no.example"'),
                CommandResult(2, "", ""),
            ],
            'refused in its rehearsal: host not found in upstream "no.example"',
        ),
    ],
)
def test_what_fails_its_rehearsal_is_refused(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, answers: list[Any], message: str
) -> None:
    commands(disk, monkeypatch, *answers)
    with pytest.raises(failed()) as error:
        program.rehearse(disk.generation("one"))
    assert str(error.value) == message
    assert list(disk.state.glob("view.*[0-9]")) == []


@pytest.mark.parametrize(
    "said",
    [
        'in upstream "NAME:80"',
        'in upstream "NAME"',
        'in syslog server "NAME:514"',
        'in resolver "NAME"',
        'in "NAME:8080" of the "listen" directive',
        'in set_real_ip_from "NAME"',
        'in OCSP responder "http://NAME/x" in the certificate "/a.pem"',
    ],
)
def test_a_name_is_found_in_whatever_nginx_says_of_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    message = f"[emerg] host not found {said.replace('NAME', 'logs-1.lab')} in x:1"
    resolved = CommandResult(0, "192.0.2.7 STREAM", "")
    fake = commands(disk, monkeypatch, CommandResult(1, "", message), resolved, OK)
    program.rehearse(disk.generation("one"))
    assert fake.run_words[1] == ("getent", "ahosts", "logs-1.lab")


def test_a_name_that_stays_unknown_ends_the_rehearsal(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = CommandResult(1, "", 'host not found in resolver "ns.lab"')
    resolved = CommandResult(0, "2001:db8::1 STREAM", "")
    commands(disk, monkeypatch, unknown, resolved, unknown)
    with pytest.raises(failed(), match=r"host not found in resolver \"ns\.lab\""):
        program.rehearse(disk.generation("one"))


def test_a_log_that_nginx_cannot_open_is_said_with_what_it_can(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = '[emerg] open() "/srv/a.log" failed (30: Read-only file system)'
    commands(disk, monkeypatch, CommandResult(1, "secret of a dump", errors))
    with pytest.raises(failed(), match="nginx_writable_paths adds a directory") as error:
        program.check_configuration(disk.generation("one"))
    assert "secret" not in str(error.value)
