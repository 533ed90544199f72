"""Generations: complete or not there, and named by links that change in one rename."""

from __future__ import annotations

import os

import pytest

from tests.support import programs
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.generations")
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
