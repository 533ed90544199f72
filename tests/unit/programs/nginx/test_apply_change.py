"""The change, and each way back from it."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.support import programs
from tests.support.nginx_processes import NginxProcesses, failed
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.change")
service_manager = programs.load("apply_nginx.serving.service_manager")
generations = programs.load("apply_nginx.generations")
installed_files = programs.load("apply_nginx.installed_files")
Observed = programs.load("apply_nginx.decision").Observed
SAME = Observed(**dict.fromkeys(Observed._fields, True) | {"two_masters": False})


class ServingMachine:
    """A machine on which "one" is current and runs; what is asked of it, in order."""

    def __init__(self, disk: Disk, nginx: NginxProcesses, patch: pytest.MonkeyPatch) -> None:
        self.disk, self.nginx = disk, nginx
        self.one = disk.generation("one", __a="a;")
        installed_files.install(self.one)
        generations.set_link("current", "one")
        disk.commands.clear()
        nginx.start(10, "old")
        self.done: list[str] = []
        self.refused: set[str] = set()  # what fails
        self.unhealthy: set[str] = set()  # generations that do not answer once in place
        self.unit = {"UnitFileState": "enabled", "NeedDaemonReload": "no"}
        self.observed = SAME
        patch.setattr(program, "observe", lambda wanted: self.observed)
        for name in ("check_configuration", "rehearse"):
            patch.setattr(program, name, lambda *given, name=name: self._do(name))
        patch.setattr(service_manager, "act", self._do)
        patch.setattr(service_manager, "properties", lambda: self.unit)
        patch.setattr(program, "must", lambda *words: self._do(" ".join(words[1:])))
        patch.setattr(program, "is_healthy", self._is_healthy)
        patch.setattr(program, "current_problem", lambda port: "does not answer")
        patch.setattr(program.hot_upgrade, "wait_for_old_master", self._wait)

    def _do(self, what: str, drain_timeout_s: float = 0) -> None:
        self.done.append(what)
        if what in self.refused:
            raise failed()(f"{what} is refused")

    def _is_healthy(self, port: int, timeout_s: float) -> bool:
        conf = (self.disk.etc / "nginx.conf").read_text()
        return conf.removeprefix("# ") not in self.unhealthy

    def _wait(self, old: int, wanted: Any) -> None:
        self.done.append(f"wait for {old}")

    def stage(self, name: str, build: str, **differs: bool) -> Any:
        wanted = self.disk.generation(name, build, __b="b;")
        generations.set_link("staged", name)
        self.observed = SAME._replace(**differs)
        return wanted

    def is_as_before(self) -> bool:
        """Files, link and unit, and no change under way."""
        return bool(installed_files.is_installed(self.one)) and not generations.is_changing()


@pytest.fixture
def machine(disk: Disk, nginx: NginxProcesses, monkeypatch: pytest.MonkeyPatch) -> ServingMachine:
    return ServingMachine(disk, nginx, monkeypatch)


# --- forward ---------------------------------------------------------------------------------


def test_without_a_difference_nothing_is_done(machine: ServingMachine) -> None:
    machine.stage("two", "old")
    program.apply()
    assert machine.done == [] and machine.is_as_before()


def test_without_a_staged_generation_nothing_is_done(machine: ServingMachine) -> None:
    with pytest.raises(failed(), match="nothing is staged"):
        program.apply()
    assert machine.done == [] and machine.is_as_before()


@pytest.mark.parametrize(
    ("differs", "done"),
    [
        ({"active": False}, ["start"]),
        ({"unit_same": False}, ["rehearse", "restart"]),
        ({"files_same": False}, ["rehearse", "reload"]),
        ({"recorded": False}, []),
    ],
)
def test_each_action_is_tested_first_and_recorded_when_it_is_healthy(
    machine: ServingMachine, differs: dict[str, bool], done: list[str]
) -> None:
    wanted = machine.stage("two", "old", **differs)
    program.apply()
    assert machine.done == ["check_configuration", *done]
    assert installed_files.is_installed(wanted)
    assert machine.disk.links() == {"staged": "two", "current": "two", "previous": "one"}


def test_an_upgrade_ends_the_old_master_before_it_is_recorded(
    machine: ServingMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.stage("two", "new", binary_same=False)
    signals: list[Any] = []
    record = program.record_healthy

    def record_later(wanted: Any) -> None:
        signals.extend(machine.nginx.signals)
        record(wanted)

    monkeypatch.setattr(program, "record_healthy", record_later)
    program.apply()
    assert machine.nginx.serving() == [20]
    assert signals[-1] == (10, signal.SIGQUIT)
    assert machine.done == ["check_configuration", "rehearse", "reloaded nginx", "wait for 10"]
    assert machine.disk.links()["current"] == "two"


def test_a_unit_that_is_not_enabled_is_and_one_that_was_not_read_is(
    machine: ServingMachine,
) -> None:
    machine.stage("two", "old", recorded=False)
    machine.unit = {"UnitFileState": "disabled", "NeedDaemonReload": "yes"}
    program.apply()
    assert machine.done == ["check_configuration", "daemon-reload", "enable nginx"]


# --- refused before anything has changed -----------------------------------------------------


@pytest.mark.parametrize("refused", ["check_configuration", "rehearse"])
def test_what_fails_its_test_changes_nothing(machine: ServingMachine, refused: str) -> None:
    machine.stage("two", "new", binary_same=False)
    machine.refused = {refused}
    with pytest.raises(failed(), match=f"^{refused} is refused$"):
        program.apply()
    assert machine.is_as_before()
    assert machine.nginx.serving() == [10] and machine.nginx.signals == []


# --- each way back ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differs", "action", "back"),
    [
        ({"active": False}, "start", "start"),
        ({"unit_same": False}, "restart", "restart"),
        ({"files_same": False}, "reload", "reload"),
        ({"recorded": False}, "confirm", "reload"),
    ],
)
def test_what_does_not_answer_is_undone(
    machine: ServingMachine, differs: dict[str, bool], action: str, back: str
) -> None:
    machine.stage("two", "old", **differs)
    machine.unhealthy = {"two"}
    with pytest.raises(failed()) as error:
        program.apply()
    assert str(error.value) == (
        f"nginx does not answer after: {action}\nThe old one is back and answers"
    )
    assert machine.done[-1] == back
    assert machine.is_as_before()
    assert machine.disk.links() == {"staged": "two", "current": "one"}


@pytest.mark.parametrize("action", ["start", "restart", "reload"])
def test_an_action_that_fails_is_undone_also_where_undoing_it_fails_alike(
    machine: ServingMachine, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    field = {"start": "active", "restart": "unit_same", "reload": "files_same"}[action]
    machine.stage("two", "old", **{field: False})
    machine.refused = {action}
    with pytest.raises(failed(), match=f"^{action} is refused\nThe old one is back and answers$"):
        program.apply()
    assert machine.is_as_before()
    said = capsys.readouterr().err
    assert "Going back to old." in said and said.count(f"{action} is refused") == 2


@pytest.mark.parametrize("new_binary", ["ends", "hangs"])
def test_a_binary_that_does_not_take_over_is_ended_and_the_old_files_are_read_again(
    machine: ServingMachine, new_binary: str
) -> None:
    machine.stage("two", "new", binary_same=False)
    machine.nginx.new_binary = new_binary
    with pytest.raises(failed(), match="The old one is back and answers"):
        program.apply()
    assert machine.nginx.serving() == [10]
    assert machine.done[-1] == "reload"
    assert machine.is_as_before()


def test_a_binary_that_takes_over_and_does_not_answer_is_ended(machine: ServingMachine) -> None:
    machine.stage("two", "new", binary_same=False)
    machine.unhealthy = {"two"}
    with pytest.raises(failed(), match="does not answer after: upgrade\nThe old one is back"):
        program.apply()
    assert machine.nginx.serving() == [10]
    assert machine.is_as_before()


def test_workers_are_not_reloaded_where_only_the_binary_was_new(machine: ServingMachine) -> None:
    files = {"nginx.conf": "# one", "__a": "a;"}
    machine.disk.generation("two", "new", **files)
    generations.set_link("staged", "two")
    machine.observed = SAME._replace(binary_same=False)
    machine.nginx.new_binary = "hangs"
    with pytest.raises(failed(), match="The old one is back and answers"):
        program.apply()
    assert machine.nginx.serving() == [10]
    assert machine.done == ["check_configuration", "rehearse"]
    assert machine.is_as_before()


def test_the_way_back_stays_where_the_old_one_does_not_answer_either(
    machine: ServingMachine,
) -> None:
    machine.stage("two", "old", files_same=False)
    machine.unhealthy = {"one", "two"}
    with pytest.raises(failed(), match=r"And the old one does not answer, either$"):
        program.apply()
    assert installed_files.is_installed(machine.one)
    assert machine.disk.links()["before"] == "one", "the next run knows where it came from"


def test_the_first_nginx_of_a_machine_has_nothing_to_go_back_to(
    disk: Disk, nginx: NginxProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = ServingMachine(disk, nginx, monkeypatch)
    for path in (disk.root / "sbin-nginx", disk.state / "current"):
        path.unlink()
    machine.stage("two", "new", active=False)
    machine.refused = {"start"}
    with pytest.raises(failed(), match="There is no earlier nginx to go back to"):
        program.apply()
    assert machine.done == ["check_configuration", "start"]


def test_a_change_by_hand_is_what_is_gone_back_to(machine: ServingMachine) -> None:
    (machine.disk.etc / "nginx.conf").write_text("# by hand")
    machine.stage("two", "old", files_same=False)
    machine.unhealthy = {"two"}
    with pytest.raises(failed(), match="The old one is back and answers"):
        program.apply()
    assert machine.disk.in_etc() == {"nginx.conf": "# by hand", "conf.d/a": "a;"}


def test_a_run_that_was_killed_is_undone_to_where_the_first_of_them_began(
    machine: ServingMachine,
) -> None:
    killed = machine.stage("two", "old", files_same=False)
    generations.set_link("before", "one")
    installed_files.install(killed)
    machine.stage("three", "old", files_same=False)
    machine.unhealthy = {"three"}
    with pytest.raises(failed(), match="The old one is back and answers"):
        program.apply()
    assert machine.is_as_before()
