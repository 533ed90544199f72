"""A second master on the same sockets, and the way back from every point of it."""

from __future__ import annotations

import signal

import pytest

from tests.support import programs
from tests.support.nginx_processes import NginxProcesses, failed
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.serving.hot_upgrade")
generations = programs.load("apply_nginx.generations")
installed_files = programs.load("apply_nginx.installed_files")
WINCH, HUP, QUIT, KILL = signal.SIGWINCH, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL


# --- taking over -----------------------------------------------------------------------------


def test_the_new_master_serves_and_the_old_one_stays_for_the_way_back(
    disk: Disk, nginx: NginxProcesses
) -> None:
    nginx.start(10, "old")
    program.take_over(disk.generation("two", "new"))
    assert nginx.serving() == [20]
    assert nginx.signals == [(10, signal.SIGUSR2), (10, WINCH)]


def test_an_upgrade_that_was_killed_goes_on_without_a_third_master(
    disk: Disk, nginx: NginxProcesses
) -> None:
    nginx.start_two("old", "new", old_serves=True)
    program.take_over(disk.generation("two", "new"))
    assert nginx.serving() == [20]
    assert nginx.signals == [(10, WINCH)]


@pytest.mark.parametrize(
    ("new_binary", "new_build", "message"),
    [
        ("ends", "new", "the new binary ended at once"),
        ("hangs", "new", "the new binary has not taken over within 0.3 s"),
        ("serves", "other", "other/nginx is what runs now"),
    ],
)
def test_a_new_master_that_does_not_serve_leaves_the_old_ones_workers_alone(
    disk: Disk, nginx: NginxProcesses, new_binary: str, new_build: str, message: str
) -> None:
    nginx.start(10, "old")
    nginx.new_binary, nginx.new_build = new_binary, new_build
    with pytest.raises(failed(), match=message):
        program.take_over(disk.generation("two", "new"))
    assert 10 in nginx.serving()
    program.roll_back()
    assert nginx.serving() == [10]
    assert nginx.pid_file.read_text() == "10\n"


def test_nothing_is_upgraded_where_no_nginx_runs(disk: Disk, nginx: NginxProcesses) -> None:
    nginx.pid_file.write_text("10\n")
    with pytest.raises(failed(), match="names no nginx"):
        program.take_over(disk.generation("two", "new"))
    assert nginx.signals == []


# --- the way back ----------------------------------------------------------------------------


def test_the_old_master_starts_its_workers_before_the_new_one_ends(nginx: NginxProcesses) -> None:
    nginx.start_two("old", "new")
    program.roll_back()
    assert nginx.serving() == [10]
    assert nginx.signals[0] == (10, HUP)
    assert (20, QUIT) in nginx.signals and (20, KILL) not in nginx.signals


def test_an_old_master_that_still_serves_starts_no_further_workers(nginx: NginxProcesses) -> None:
    nginx.start_two("old", "new", old_serves=True)
    program.roll_back()
    assert nginx.serving() == [10]
    assert (10, HUP) not in nginx.signals


def test_a_new_master_that_does_not_end_is_killed(nginx: NginxProcesses) -> None:
    nginx.start_two("old", "new")
    nginx.ignored = {(20, QUIT), (21, QUIT)}
    program.roll_back()
    assert nginx.serving() == [10]
    assert (20, KILL) in nginx.signals


def test_an_old_master_that_is_ending_leaves_the_new_one_in_service(nginx: NginxProcesses) -> None:
    nginx.start_two("old", "new")
    nginx.ignored = {(10, HUP)}
    program.roll_back()
    assert nginx.serving() == [20]
    assert nginx.signals == [(10, HUP)]


def test_without_an_old_master_there_is_nothing_to_roll_back(nginx: NginxProcesses) -> None:
    nginx.start(10, "old")
    program.roll_back()
    assert nginx.serving() == [10] and nginx.signals == []


# --- what an earlier run has left ------------------------------------------------------------


def test_a_pid_file_of_nobody_is_removed(disk: Disk, nginx: NginxProcesses) -> None:
    nginx.start(10, "old")
    nginx.old_pid_file.write_text("9\n")
    program.finish_earlier(disk.generation("two", "new"), None, "upgrade")
    assert not nginx.old_pid_file.exists() and nginx.signals == []


def test_an_upgrade_to_what_is_wanted_goes_on_from_where_it_was(
    disk: Disk, nginx: NginxProcesses
) -> None:
    wanted, before = disk.generation("two", "new"), disk.generation("one")
    generations.set_link("before", "one")
    installed_files.install(wanted)
    nginx.start_two("old", "new")
    program.finish_earlier(wanted, before, "upgrade")
    assert nginx.serving() == [20] and nginx.signals == []


def test_an_upgrade_to_something_else_is_undone_with_its_files(
    disk: Disk, nginx: NginxProcesses
) -> None:
    before, halfway = disk.generation("one"), disk.generation("two", "new")
    generations.set_link("before", "one")
    installed_files.install(halfway)
    nginx.start_two("old", "new")
    program.finish_earlier(disk.generation("three", "third"), before, "upgrade")
    assert nginx.serving() == [10]
    assert disk.in_etc() == {"nginx.conf": "# one"}
    assert installed_files.linked_build() == "old"


@pytest.mark.parametrize("action", ["reload", "confirm"])
def test_an_old_master_that_only_finishes_its_connections_hinders_no_reload(
    disk: Disk, nginx: NginxProcesses, action: str
) -> None:
    nginx.start_two("old", "new")
    program.finish_earlier(disk.generation("two", "new"), disk.generation("one"), action)
    assert nginx.serving() == [20] and nginx.signals == []


@pytest.mark.parametrize("action", ["upgrade", "restart"])
def test_it_has_to_end_before_the_next_upgrade_and_is_not_cut(
    disk: Disk, nginx: NginxProcesses, action: str
) -> None:
    nginx.start_two("old", "new")
    with pytest.raises(failed(), match=r"pid 10\) still has connections"):
        program.finish_earlier(disk.generation("two", "third"), disk.generation("one"), action)
    assert nginx.serving() == [20] and nginx.signals == []


# --- the old master's end --------------------------------------------------------------------


def test_an_old_master_with_connections_is_left_to_end_by_itself(
    disk: Disk, nginx: NginxProcesses, capsys: pytest.CaptureFixture[str]
) -> None:
    nginx.start_two("old", "new")
    program.wait_for_old_master(10, disk.generation("two", "new"))
    assert "(pid 10) still has connections after 0.2 s" in capsys.readouterr().err
    assert nginx.signals == []


def test_the_unit_has_to_notice_the_new_master(
    disk: Disk, nginx: NginxProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    nginx.start(20, "new")
    wanted = disk.generation("two", "new")
    monkeypatch.setattr(program, "properties", lambda: {"MainPID": "20"})
    program.wait_for_old_master(10, wanted)
    monkeypatch.setattr(program, "properties", lambda: {"MainPID": "10"})
    with pytest.raises(failed(), match="has not noticed that nginx is process 20 now"):
        program.wait_for_old_master(10, wanted)
