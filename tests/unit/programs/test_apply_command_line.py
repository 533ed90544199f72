"""The commands of apply-nginx: what they print, and what they leave as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.nginx_processes import failed
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.command_line")
generations = programs.load("apply_nginx.generations")
installed_files = programs.load("apply_nginx.installed_files")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    umask, hangup = os.umask(0o022), signal.getsignal(signal.SIGHUP)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["apply-nginx", *words])
        code = program.main()
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    os.umask(umask)
    signal.signal(signal.SIGHUP, hangup)


@pytest.fixture
def accepted(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "check_configuration", lambda wanted, sources=(): None)


@pytest.fixture
def refused(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def test(wanted: object, sources: object = ()) -> None:
        raise failed()("[emerg] no")

    monkeypatch.setattr(program, "check_configuration", test)


def packed(disk: Disk, tmp_path: Path, name: str, build: str) -> Path:
    """A tar file like the deploy's, of a generation that is not on the disk any more."""
    made = disk.generation(name, build)
    tar = tmp_path / f"{name}.tar"
    subprocess.run(["tar", "-cf", tar, "-C", made.directory, "about", "unit", "etc"], check=True)
    generations.remove(made.directory)
    return tar


def test_a_staged_generation_has_the_mime_types_of_its_build(
    run: Run, disk: Disk, tmp_path: Path, accepted: None
) -> None:
    tar = packed(disk, tmp_path, "one", "new")
    (disk.builds / "new" / "mime.types").write_text("types {}")
    assert run("stage", "one", "run-7", str(tar)) == (0, "", "")
    staged = generations.linked("staged")
    assert (staged.name, staged.run) == ("one", "run-7")
    assert staged.files["mime.types"] == b"types {}"
    assert not tar.exists()


def test_a_generation_of_a_build_that_is_not_here_is_not_unpacked(
    run: Run, disk: Disk, tmp_path: Path, accepted: None
) -> None:
    code, _, err = run("stage", "one", "run-7", str(packed(disk, tmp_path, "one", "new")))
    assert (code, err) == (1, "nginx: there is no build new here. Deploy again.\n")
    assert list((disk.state / "generations").iterdir()) == []


def test_what_fails_its_test_is_not_staged(run: Run, disk: Disk, refused: None) -> None:
    for name in ("one", "two"):
        disk.generation(name)
    generations.set_link("staged", "one")
    code, _, err = run("again", "two", "run-8")
    assert code == 1
    assert err == "nginx: [emerg] no\nNothing was changed: nginx goes on as before.\n"
    assert disk.links() == {"staged": "one"}


def test_look_says_what_apply_would_do_and_what_is_the_users_own(
    run: Run, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("look") == (0, "Action=start\nReason=nothing is staged\n", "")
    installed_files.install(disk.generation("one", __a="a;"))
    generations.set_link("staged", "one")
    own = disk.etc / "conf.d" / "own.conf"
    own.write_text("mine;")
    monkeypatch.setattr(program, "observe", lambda wanted: None)
    monkeypatch.setattr(program, "decide", lambda observed: ("reload", "why"))
    assert run("look") == (0, f"Action=reload\nReason=why\nOwn={own}\n", "")


def test_an_unknown_command_shows_the_known_ones(run: Run, disk: Disk) -> None:
    for words in ((), ("help",)):
        code, out, err = run(*words)
        assert (code, out) == (1, "") and "apply-nginx stage NAME RUN TAR" in err


def test_a_caller_that_disconnects_does_not_end_a_change(run: Run, disk: Disk) -> None:
    run("generations")
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
