"""What apply-nginx says of a generation that is not staged, and that nothing of it stays."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.unit.programs.conftest import Disk
from tests.unit.programs.rehearsing.test_apply_rehearsal import OK, CommandResult, commands

program = programs.load("apply_nginx.foresight")
installed_files = programs.load("apply_nginx.installed_files")
Observed = programs.load("apply_nginx.decision").Observed
REFUSED = CommandResult(1, "", "[emerg] unknown directive\nnginx: test failed")


@pytest.fixture
def seen(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An nginx that runs the generation "one"; what is wanted differs in its files."""
    installed_files.install(disk.generation("one"))
    (disk.root / "sbin-nginx").unlink(missing_ok=True)
    (disk.root / "sbin-nginx").symlink_to(disk.builds / "old" / "nginx")

    def observe(wanted: Any) -> Any:
        same = dict.fromkeys(Observed._fields, True) | {"two_masters": False}
        return Observed(**same | {"files_same": False, "binary_same": wanted.build == "old"})

    monkeypatch.setattr(program, "observe", observe)
    monkeypatch.setattr(program, "must", lambda *words: unpack(words))


def unpack(words: tuple[str, ...]) -> None:
    with tarfile.open(words[words.index("--file") + 1]) as archive:
        archive.extractall(words[-1], filter="data")


def sent(disk: Disk, tmp_path: Path, build: str) -> str:
    """A generation as it is sent, in a directory of its own."""
    made = disk.generation("two", build, __a="a;")
    place = tmp_path / "sent"
    place.mkdir()
    with tarfile.open(place / "new.tar", "w") as archive:
        for path in Path(made.directory).rglob("*"):
            archive.add(path, path.relative_to(made.directory), recursive=False)
    for path in sorted(Path(made.directory).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    Path(made.directory).rmdir()
    return str(place / "new.tar")


def test_it_says_what_it_would_take_and_leaves_all_as_it_was(
    disk: Disk, tmp_path: Path, seen: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    tar, before = sent(disk, tmp_path, "old"), disk.in_etc()
    fake = commands(disk, monkeypatch, OK)
    program.foresee("two", tar)
    assert capsys.readouterr().out == "Action=reload\nReason=its configuration has changed\n"
    assert fake.preview["conf.d/a"] == "a;"
    assert disk.in_etc() == before
    assert not list(disk.state.glob("view.*")) and not list(disk.state.glob("generations/two"))


@pytest.mark.parametrize(
    ("build", "kind"), [("old", "Fault="), ("none", "Doubt=the nginx that is there (old) says: ")]
)
def test_what_its_test_says_is_no_proof_where_another_nginx_says_it(
    disk: Disk,
    tmp_path: Path,
    seen: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
    build: str,
    kind: str,
) -> None:
    tar = sent(disk, tmp_path, build)
    (disk.builds / "none" / "nginx").unlink(missing_ok=True)
    commands(disk, monkeypatch, REFUSED)
    program.foresee("two", tar)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"Action={'reload' if build == 'old' else 'upgrade'}"
    assert said[2:] == [f"{kind}{line}" for line in REFUSED.errors.splitlines()]


def test_a_directory_that_the_run_makes_is_not_made_for_the_plan(
    disk: Disk, tmp_path: Path, seen: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    tar, missing = sent(disk, tmp_path, "old"), tmp_path / "logs"
    around = program.walls.nginx_paths.Walls((str(missing),), ())
    monkeypatch.setattr(program.walls, "has_walls", lambda wanted: True)
    monkeypatch.setattr(program.walls, "of", lambda wanted: around)
    program.foresee("two", tar)
    assert f"Doubt=there is no {missing} yet, which the run makes" in capsys.readouterr().out
    assert not missing.exists()


def test_a_generation_that_is_not_kept_any_more_is_a_fault(disk: Disk, capsys: Any) -> None:
    program.foresee("gone", "")
    assert capsys.readouterr().out.startswith("Fault=the generation gone is not here")
