"""Generations: complete or not there, named by links, and kept while one may go back to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.nginx_processes import NginxProcesses
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.generations")
installed_files = programs.load("apply_nginx.installed_files")
retention = programs.load("apply_nginx.retention")
layout = programs.load("apply_nginx.layout")


def test_a_deleted_binary_is_no_build(disk: Disk) -> None:
    builds = layout.BUILDS
    assert program.build_of(f"{builds}/1.26.3-0/nginx") == "1.26.3-0"
    assert program.build_of(f"{builds}/1.26.3-0/nginx (deleted)") == ""
    assert program.build_of("/usr/sbin/nginx") == ""


def test_a_generation_that_could_not_be_filled_is_not_there(disk: Disk) -> None:
    def fill(directory: str) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        program.create("one", fill)
    assert list((disk.state / "generations").iterdir()) == []


def test_a_generation_that_is_there_is_not_filled_again(disk: Disk) -> None:
    disk.generation("one", "old")

    def fill(directory: str) -> None:
        raise AssertionError("it never changes")

    assert program.create("one", fill).build == "old"


def test_a_link_to_what_is_gone_names_no_generation(disk: Disk) -> None:
    assert program.linked("staged") is None
    program.set_link("staged", "gone")
    assert program.linked("staged") is None


def test_a_link_that_a_killed_run_left_half_made_does_no_harm(disk: Disk) -> None:
    disk.generation("one")
    os.symlink("nowhere", layout.in_state("current.new"))
    program.set_link("current", "one")
    assert disk.links() == {"current": "one"}


def test_what_a_generation_does_not_say_has_a_default(disk: Disk) -> None:
    (disk.state / "generations" / "one").mkdir()
    (disk.state / "generations" / "one" / "about").write_text("build=b\n")
    one = program.StoredGeneration(str(disk.state / "generations" / "one"))
    assert (one.port, one.drain_timeout_s, one.cache, one.unit, one.files) == (
        *(80, 300.0, "", None),
        {},
    )


# --- which are kept ---------------------------------------------------------------------------


def test_the_last_two_that_were_healthy_are_kept_with_their_builds_and_no_other(
    disk: Disk, nginx: NginxProcesses
) -> None:
    for name, build in (("one", "old"), ("two", "new"), ("three", "new"), ("four", "new")):
        new = disk.generation(name, build)
        program.set_link("staged", name)
        installed_files.install(new)
        retention.record_healthy(new)
    assert program.linked("current").name == "four"
    assert program.linked("previous").name == "three"
    kept = {path.name for path in (disk.state / "generations").iterdir()}
    assert kept == {"three", "four"}
    assert {path.name for path in (disk.builds).iterdir()} == {"new"}


def test_what_a_generation_of_the_machine_names_is_kept_with_its_build(
    disk: Disk, nginx: NginxProcesses, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    indexes = tmp_path / "indexes"
    indexes.mkdir()
    monkeypatch.setattr(layout, "INDEXES", f"{indexes}/*.json")
    (indexes / "20261128-100000.json").write_text('{\n "contents": {\n  "nginx": "one"\n }\n}\n')
    (indexes / "20261128-110000.json").write_text('{\n "contents": {\n  "nginx": "gone"\n }\n}\n')
    (indexes / "20261128-120000.json").write_text("cut o")
    for name, build in (("one", "old"), ("two", "new"), ("three", "new"), ("four", "new")):
        new = disk.generation(name, build)
        program.set_link("staged", name)
        installed_files.install(new)
        retention.record_healthy(new)
    kept = {path.name for path in (disk.state / "generations").iterdir()}
    assert kept == {"one", "three", "four"}
    assert {path.name for path in disk.builds.iterdir()} == {"old", "new"}


def test_going_back_makes_the_newer_one_the_previous(disk: Disk, nginx: NginxProcesses) -> None:
    for name in ("one", "two", "one"):
        new = disk.generation(name)
        program.set_link("staged", name)
        retention.record_healthy(new)
    assert program.linked("current").name == "one"
    assert program.linked("previous").name == "two"


def test_what_a_change_goes_back_to_and_what_still_runs_are_kept(
    disk: Disk, nginx: NginxProcesses
) -> None:
    for link, build in (("staged", "new"), ("before", "old")):
        disk.generation(link, build)
        program.set_link(link, link)
    disk.generation("unused", "unused")
    (disk.builds / "running").mkdir()
    (disk.builds / ".new").mkdir()  # being unpacked
    (disk.state / "view.123").mkdir()
    nginx.start(10, "running")
    retention.prune()
    assert {path.name for path in (disk.state / "generations").iterdir()} == {"staged", "before"}
    assert {path.name for path in disk.builds.iterdir()} == {"new", "old", "running", ".new"}
    assert not (disk.state / "view.123").exists()


def test_the_end_of_a_change_is_recorded_last(disk: Disk, nginx: NginxProcesses) -> None:
    wanted = disk.generation("one")
    program.set_link("staged", "one")
    program.set_link("before", "one")
    retention.record_healthy(wanted)
    assert disk.links() == {"staged": "one", "current": "one"}
    assert not program.is_changing()
