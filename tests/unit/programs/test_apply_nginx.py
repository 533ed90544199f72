"""The program that changes nginx: what it decides, and what it does to files that it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import programs

program = programs.load("apply-nginx")
Seen = program.Seen
AS_WANTED = dict.fromkeys(Seen._fields, True) | {"two_masters": False}


def action(**differs: bool) -> str:
    return str(program.decide(Seen(**AS_WANTED | differs))[0])


def test_what_is_as_wanted_is_left_alone() -> None:
    assert action() == "none"


@pytest.mark.parametrize(
    ("differs", "wanted"),
    [
        ({"active": False}, "start"),
        ({"tracked": False}, "restart"),
        ({"unit_same": False}, "restart"),
        ({"unit_same": False, "binary_same": False}, "restart"),
        ({"binary_same": False}, "upgrade"),
        ({"binary_same": False, "files_same": False, "read": False}, "upgrade"),
        ({"two_masters": True}, "upgrade"),
        ({"files_same": False}, "reload"),
        ({"read": False}, "reload"),
        ({"known": False}, "confirm"),
    ],
)
def test_each_difference_costs_as_little_as_it_can(differs: dict[str, bool], wanted: str) -> None:
    assert action(**differs) == wanted


@given(st.builds(Seen, *(st.booleans() for _ in Seen._fields)))
def test_only_what_is_wholly_as_wanted_is_left_alone(seen: Any) -> None:
    decided, reason = program.decide(seen)
    assert (decided == "none") == (seen == Seen(**AS_WANTED))
    assert bool(reason) == (decided != "none")
    if decided == "restart":
        assert not seen.tracked or not seen.unit_same, "nothing else is worth an interruption"


# --- on a disk -------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's disk, bare."""
    for name, place in {
        "HOME": "home",
        "BUILDS": "builds",
        "BINARY": "sbin-nginx",
        "ETC": "etc",
        "UNIT": "unit",
    }.items():
        monkeypatch.setattr(program, name, str(tmp_path / place))
    monkeypatch.setattr(program, "masters", lambda: [])
    monkeypatch.setattr(program, "must", lambda *words: "")
    (tmp_path / "home" / "generations").mkdir(parents=True)
    return tmp_path


def generation(machine: Path, name: str, build: str = "old", **files: str) -> Any:
    directory = machine / "home" / "generations" / name
    (machine / "builds" / build).mkdir(parents=True, exist_ok=True)
    for path, text in {"nginx.conf": f"# {name}"}.items() | files.items():
        file = directory / "etc" / path.replace("__", "/conf.d/").lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (directory / "unit").write_text("[Service]\n")
    (directory / "about").write_text(f"build={build}\nport=80\n")
    return program.Generation(str(directory))


def in_place(machine: Path) -> dict[str, str]:
    etc = machine / "etc"
    return {
        str(path.relative_to(etc)): path.read_text() for path in etc.rglob("*") if path.is_file()
    }


def test_a_snippet_that_is_wanted_no_more_goes_and_somebodys_own_stays(machine: Path) -> None:
    with_snippet = generation(machine, "one", __a="a;", __b="b;")
    without = generation(machine, "two", __b="b;")
    (machine / "etc" / "conf.d").mkdir(parents=True)
    (machine / "etc" / "conf.d" / "own.conf").write_text("mine;")
    program.put(with_snippet)
    assert in_place(machine).keys() == {"nginx.conf", "conf.d/a", "conf.d/b", "conf.d/own.conf"}
    program.put(without)
    assert in_place(machine).keys() == {"nginx.conf", "conf.d/b", "conf.d/own.conf"}
    assert program.own_snippets(without) == [str(machine / "etc" / "conf.d" / "own.conf")]


def test_what_a_killed_run_has_put_is_known_to_the_next(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.put(generation(machine, "one"))

    def killed(*words: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(program, "linked_build", lambda: "")
        patch.setattr(program.os, "symlink", killed)
        with pytest.raises(KeyboardInterrupt):
            program.put(generation(machine, "two", __a="a;"))
    assert "conf.d/a" in in_place(machine)
    program.put(generation(machine, "three"))
    assert in_place(machine) == {"nginx.conf": "# three"}


def test_somebodys_own_file_is_not_written_over(machine: Path) -> None:
    (machine / "etc" / "conf.d").mkdir(parents=True)
    own = machine / "etc" / "conf.d" / "a"
    own.write_text("mine;")
    with pytest.raises(program.Failed, match="no deploy put it there"):
        program.test(generation(machine, "one", __a="a;"))
    own.write_text("a;")
    assert program.strangers(generation(machine, "one", __a="a;")) == []


def test_files_that_are_the_same_are_not_touched(machine: Path) -> None:
    """A reload reads them; a worker older than its files would be a finding."""
    one = generation(machine, "one")
    program.put(one)
    before = (machine / "etc" / "nginx.conf").stat()
    program.put(one)
    assert (machine / "etc" / "nginx.conf").stat().st_mtime_ns == before.st_mtime_ns


def test_the_way_back_is_what_was_in_place(machine: Path) -> None:
    program.put(generation(machine, "one", __a="a;"))
    (machine / "etc" / "nginx.conf").write_text("# changed by hand")
    before_files = in_place(machine)
    new = generation(machine, "two", "new", __b="b;")
    before = program.snapshot(new)
    program.put(new)
    assert program.installed(new)
    assert program.linked_build() == "new"
    program.put(before)
    assert in_place(machine) == before_files
    assert program.linked_build() == "old"


def test_the_last_two_that_were_healthy_are_kept_with_their_builds_and_no_other(
    machine: Path,
) -> None:
    for name, build in (("one", "old"), ("two", "new"), ("three", "new"), ("four", "new")):
        new = generation(machine, name, build)
        program.point("staged", name)
        program.put(new)
        program.remember(new)
    assert program.generation("current").name == "four"
    assert program.generation("previous").name == "three"
    kept = {path.name for path in (machine / "home" / "generations").iterdir()}
    assert kept == {"three", "four"}
    assert {path.name for path in (machine / "builds").iterdir()} == {"new"}


def test_going_back_makes_the_newer_one_the_previous(machine: Path) -> None:
    for name in ("one", "two", "one"):
        new = generation(machine, name)
        program.point("staged", name)
        program.remember(new)
    assert program.generation("current").name == "one"
    assert program.generation("previous").name == "two"


def test_a_deleted_binary_is_no_build(machine: Path) -> None:
    builds = program.BUILDS
    assert program.build_of(f"{builds}/1.26.3-0/nginx") == "1.26.3-0"
    assert program.build_of(f"{builds}/1.26.3-0/nginx (deleted)") == ""
    assert program.build_of("/usr/sbin/nginx") == ""


def test_a_key_is_roots_alone_also_after_somebody_has_opened_it(machine: Path) -> None:
    wanted = generation(machine, "one", **{"tls/default.key": "KEY", "tls/default.pem": "PEM"})
    program.put(wanted)
    key, pem = machine / "etc" / "tls" / "default.key", machine / "etc" / "tls" / "default.pem"
    assert (key.stat().st_mode & 0o777, pem.stat().st_mode & 0o777) == (0o600, 0o640)
    assert program.has_files(wanted)
    key.chmod(0o644)
    assert not program.has_files(wanted)
    program.put(wanted)
    assert key.stat().st_mode & 0o777 == 0o600 and program.has_files(wanted)
