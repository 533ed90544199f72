"""What apply-nginx observes of a machine, and what it decides by that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import programs
from tests.support.nginx_processes import NginxProcesses
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.observation")
generations = programs.load("apply_nginx.generations")
installed_files = programs.load("apply_nginx.installed_files")
decide = programs.load("apply_nginx.decision").decide
UNIT = {
    **{"ActiveState": "active", "MainPID": "10", "UnitFileState": "enabled"},
    **{"NeedDaemonReload": "no", "Unit": "same", "Configuration": "same"},
}


class Observing:
    """A machine where "one" is in service."""

    def __init__(self, disk: Disk, nginx: NginxProcesses, patch: pytest.MonkeyPatch) -> None:
        self.disk, self.nginx, self.unit = disk, nginx, dict(UNIT)
        self.wanted = disk.generation("one")
        installed_files.install(self.wanted)
        generations.set_link("current", "one")
        nginx.start(10, "old")
        patch.setattr(program, "compared_properties", lambda: self.unit)

    def action(self, wanted: Any = None) -> str:
        return str(decide(program.observe(wanted or self.wanted))[0])


@pytest.fixture
def machine(disk: Disk, nginx: NginxProcesses, monkeypatch: pytest.MonkeyPatch) -> Observing:
    return Observing(disk, nginx, monkeypatch)


def test_what_is_in_service_is_left_alone(machine: Observing) -> None:
    assert machine.action() == "none"


@pytest.mark.parametrize(
    ("unit", "action"),
    [
        ({"ActiveState": "failed"}, "start"),
        ({"ActiveState": "reloading"}, "none"),
        ({"MainPID": "99"}, "restart"),
        ({"Unit": "different"}, "restart"),
        ({"Configuration": "different"}, "reload"),
        ({"UnitFileState": "disabled"}, "confirm"),
        ({"NeedDaemonReload": "yes"}, "confirm"),
    ],
)
def test_what_the_service_manager_says_counts(
    machine: Observing, unit: dict[str, str], action: str
) -> None:
    machine.unit |= unit
    assert machine.action() == action


def test_what_a_run_that_was_killed_has_left_is_a_reason_to_look_again(machine: Observing) -> None:
    (machine.disk.etc / ".nginx.conf.old").touch()
    assert machine.action() == "confirm"


def test_a_unit_without_a_process_is_not_active(machine: Observing) -> None:
    machine.nginx.end(10)
    assert machine.action() == "start"


def test_another_build_is_an_upgrade_and_another_file_a_reload(machine: Observing) -> None:
    assert machine.action(machine.disk.generation("two", "new")) == "upgrade"
    assert machine.action(machine.disk.generation("three", "old", __a="a;")) == "reload"


def test_the_same_files_under_another_name_are_confirmed(machine: Observing) -> None:
    two = machine.disk.generation("two", "old", **{"nginx.conf": "# one"})
    assert machine.action(two) == "confirm"


def test_a_change_that_was_killed_is_not_over(machine: Observing) -> None:
    generations.set_link("before", "one")
    assert machine.action() == "confirm"


def test_two_masters_are_an_unfinished_upgrade_unless_the_old_one_only_ends(
    machine: Observing,
) -> None:
    machine.nginx.end(10)
    machine.nginx.start_two("old", "old", old_serves=True)
    assert machine.action() == "upgrade"
    machine.nginx.titles[11] = "nginx: worker process is shutting down"
    assert machine.action() == "none"
    generations.set_link("before", "one")
    assert machine.action() == "upgrade"


def test_a_new_unit_is_compared_by_its_fingerprint_before_it_is_installed(
    machine: Observing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what only systemd itself goes by needs no restart."""
    two = machine.disk.generation("two", "old", **{"nginx.conf": "# one"})
    two.unit = b"[Service]\nRestart=always\n"
    CommandResult = programs.load("common.commands").CommandResult
    monkeypatch.setattr(program, "run", lambda *words: CommandResult(0, "f1", ""))
    monkeypatch.setattr(program, "read", lambda path: {"/run/nginx/unit": "f1"}[path])
    assert machine.action(two) == "confirm"
    monkeypatch.setattr(program, "run", lambda *words: CommandResult(0, "f2", ""))
    assert machine.action(two) == "restart"
