"""The commands of apply-nginx: what they print, and what they leave as it was."""

from __future__ import annotations

import hashlib
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
    umask = os.umask(0o022)
    known = {number: signal.getsignal(number) for number in signal.Signals}

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["apply-nginx", *words])
        code = program.main()
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    os.umask(umask)
    for number in known.keys() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, known[number])


@pytest.fixture
def accepted(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "check_configuration", lambda wanted, *more: None)


@pytest.fixture
def refused(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def test(wanted: object, *more: object) -> None:
        raise failed()("[emerg] no")

    monkeypatch.setattr(program, "check_configuration", test)


def packed(disk: Disk, tmp_path: Path, build: str) -> tuple[str, Path]:
    """The name and the tar file, like the deploy's, of a generation that is not on the disk."""
    made = disk.generation("one", build)
    tar = tmp_path / "one.tar"
    subprocess.run(["tar", "-cf", tar, "-C", made.directory, "about", "unit", "etc"], check=True)
    generations.remove(made.directory)
    return f"{build}.{hashlib.sha256(tar.read_bytes()).hexdigest()[:12]}", tar


def test_a_generation_is_staged_as_it_was_sent(
    run: Run, disk: Disk, tmp_path: Path, accepted: None
) -> None:
    name, tar = packed(disk, tmp_path, "new")
    assert run("stage", name, str(tar)) == (0, "", "")
    staged = generations.linked("staged")
    assert staged.name == name
    assert sorted(staged.files) == ["nginx.conf"]
    assert not tar.exists()


def test_what_is_new_is_judged_by_its_warnings_and_what_has_served_is_not(
    run: Run, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judges: list[str] = []
    monkeypatch.setattr(
        program, "check_configuration", lambda wanted, sources, judge: judges.append(judge.__name__)
    )
    name, tar = packed(disk, tmp_path, "new")
    assert run("stage", name, str(tar))[0] == run("again", name)[0] == 0
    assert judges == ["judge", "tell"]


@pytest.mark.parametrize("spoil", ["truncated", "another's"])
def test_what_is_not_what_was_sent_is_not_unpacked(
    run: Run, disk: Disk, tmp_path: Path, accepted: None, spoil: str
) -> None:
    name, tar = packed(disk, tmp_path, "new")
    if spoil == "truncated":
        tar.write_bytes(tar.read_bytes()[:4000])
    else:
        packed(disk, tmp_path, "another")
    code, _, err = run("stage", name, str(tar))
    assert code == 1 and "is not what was sent" in err and "Deploy again" in err
    assert list((disk.state / "generations").iterdir()) == []


@pytest.mark.parametrize("spoil", ["emptied", "removed", "added to"])
def test_a_generation_that_is_not_as_it_was_stored_counts_as_none_until_it_is_stored_again(
    run: Run, disk: Disk, tmp_path: Path, accepted: None, spoil: str
) -> None:
    name, tar = packed(disk, tmp_path, "new")
    kept = tar.read_bytes()
    run("stage", name, str(tar))
    etc = disk.state / "generations" / name / "etc"
    if spoil == "emptied":
        (etc / "nginx.conf").write_text("")
    elif spoil == "removed":
        (etc / "nginx.conf").unlink()
    else:
        (etc / "more.conf").write_text("more;")
    assert generations.linked("staged") is None
    code, _, err = run("again", name)
    assert code == 1 and "no longer as it was stored" in err
    tar.write_bytes(kept)
    assert run("stage", name, str(tar)) == (0, "", "")
    assert sorted(generations.linked("staged").files) == ["nginx.conf"]


def test_a_generation_of_a_build_that_is_not_here_is_not_unpacked(
    run: Run, disk: Disk, tmp_path: Path, accepted: None
) -> None:
    name, tar = packed(disk, tmp_path, "new")
    (disk.builds / "new" / "nginx").unlink()
    code, _, err = run("stage", name, str(tar))
    assert (code, err) == (1, "nginx: there is no build new here. Deploy again.\n")
    assert list((disk.state / "generations").iterdir()) == []


def test_what_fails_its_test_is_not_staged(run: Run, disk: Disk, refused: None) -> None:
    for name in ("one", "two"):
        disk.generation(name)
    generations.set_link("staged", "one")
    code, _, err = run("again", "two")
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
        assert (code, out) == (1, "") and "apply-nginx stage NAME TAR" in err


def test_a_caller_that_disconnects_does_not_end_a_change(run: Run, disk: Disk) -> None:
    assert run("apply")[0] == 1, "nothing is staged"
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
