"""Which generations and builds apply-nginx keeps to go back to."""

from __future__ import annotations

from tests.support import programs
from tests.support.nginx_processes import NginxProcesses
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.retention")
generations = programs.load("apply_nginx.generations")
installed_files = programs.load("apply_nginx.installed_files")


def test_the_last_two_that_were_healthy_are_kept_with_their_builds_and_no_other(
    disk: Disk, nginx: NginxProcesses
) -> None:
    for name, build in (("one", "old"), ("two", "new"), ("three", "new"), ("four", "new")):
        new = disk.generation(name, build)
        generations.set_link("staged", name)
        installed_files.install(new)
        program.record_healthy(new)
    assert generations.linked("current").name == "four"
    assert generations.linked("previous").name == "three"
    kept = {path.name for path in (disk.state / "generations").iterdir()}
    assert kept == {"three", "four"}
    assert {path.name for path in (disk.builds).iterdir()} == {"new"}


def test_going_back_makes_the_newer_one_the_previous(disk: Disk, nginx: NginxProcesses) -> None:
    for name in ("one", "two", "one"):
        new = disk.generation(name)
        generations.set_link("staged", name)
        program.record_healthy(new)
    assert generations.linked("current").name == "one"
    assert generations.linked("previous").name == "two"


def test_what_a_change_goes_back_to_and_what_still_runs_are_kept(
    disk: Disk, nginx: NginxProcesses
) -> None:
    for link, build in (("staged", "new"), ("before", "old")):
        disk.generation(link, build)
        generations.set_link(link, link)
    disk.generation("unused", "unused")
    (disk.builds / "running").mkdir()
    (disk.builds / ".new").mkdir()  # being unpacked
    (disk.state / "view.123").mkdir()
    nginx.start(10, "running")
    program.prune()
    assert {path.name for path in (disk.state / "generations").iterdir()} == {"staged", "before"}
    assert {path.name for path in disk.builds.iterdir()} == {"new", "old", "running", ".new"}
    assert not (disk.state / "view.123").exists()


def test_the_end_of_a_change_is_recorded_last(disk: Disk, nginx: NginxProcesses) -> None:
    wanted = disk.generation("one")
    generations.set_link("staged", "one")
    generations.set_link("before", "one")
    program.record_healthy(wanted)
    assert disk.links() == {"staged": "one", "current": "one"}
    assert not generations.is_changing()
