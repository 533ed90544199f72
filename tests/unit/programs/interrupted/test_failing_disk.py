"""What is on the disk after an operation on it has failed, or the power: all of one generation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from tests.support import programs
from tests.support.nginx_processes import NginxProcesses, failed
from tests.unit.programs.conftest import Disk
from tests.unit.programs.interrupted.failing_disk import FAULTS, FailingDisk, PowerCut
from tests.unit.programs.nginx.test_apply_change import ServingMachine

change = programs.load("apply_nginx.change")
generations = programs.load("apply_nginx.generations")
installed_files = programs.load("apply_nginx.installed_files")
transaction = programs.load("apply_nginx.file_transaction")
machine_files = programs.load("common.machine_files")


@pytest.fixture
def machine(disk: Disk, nginx: NginxProcesses, monkeypatch: pytest.MonkeyPatch) -> ServingMachine:
    return ServingMachine(disk, nginx, monkeypatch)


@pytest.fixture
def failing(machine: ServingMachine, monkeypatch: pytest.MonkeyPatch) -> FailingDisk:
    found = FailingDisk(monkeypatch)
    found.remember(machine.disk.root)
    return found


def begin(machine: ServingMachine) -> Any:
    """A machine as it was at first: "one" runs, "two" is staged, with another unit and build."""
    machine.disk.generation("two", "new", __b="b;", __c="c;")
    (machine.disk.state / "generations" / "two" / "unit").write_text("[Service]\n# two\n")
    generations.set_link("staged", "two")
    generations.end_change()
    generations.set_link("current", "one")
    installed_files.install(machine.one)
    machine.observed = machine.observed._replace(active=True, files_same=False)
    return generations.linked("two") or generations.stored("two")


def rounds(
    machine: ServingMachine, failing: FailingDisk, fails: Callable[[str], bool]
) -> Iterator[tuple[int, Any]]:
    """One for each operation on the disk of an undisturbed change that `fails`."""
    for _ in range(2):  # at first there is no previous generation yet
        begin(machine)
        failing.arm(0, "")
        change.apply()
    names = list(failing.names)
    assert len(names) > 50, "the operations are counted"
    for at, name in enumerate(names, 1):
        if fails(name):
            wanted = begin(machine)
            failing.remember(machine.disk.root)
            yield at, wanted
            assert failing.failed


def is_one_of(machine: ServingMachine, wanted: Any) -> bool:
    return any(installed_files.is_installed(each) for each in (machine.one, wanted))


def left_over(machine: ServingMachine) -> list[str]:
    return [path.name for path in machine.disk.root.rglob("*") if path.suffix in (".new", ".old")]


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_fails_in_a_change_has_all_of_one_generation_afterwards(
    machine: ServingMachine, failing: FailingDisk, fault: str, lasting: bool
) -> None:
    said = set()
    for at, wanted in rounds(machine, failing, FAULTS[fault][1].__contains__):
        failing.arm(at, fault, lasting=lasting)
        try:
            change.apply()
        except (failed(), OSError) as error:
            said.add(machine_files.in_words(error))
        else:
            assert installed_files.is_installed(wanted), (at, failing.failed)
        failing.disarm()
        if lasting and fault != "full" and not is_one_of(machine, wanted):
            # Between two renames nothing can be put back on such a disk: it is before nginx starts.
            assert generations.is_changing(), (at, failing.failed)
            installed_files.finish_interrupted()
        assert is_one_of(machine, wanted), (at, failing.failed)
        tidied = lasting or failing.failed == "unlink" or not left_over(machine)
        assert tidied, (at, failing.failed)
        change.apply()
        assert installed_files.is_installed(wanted), "the next deploy finishes"
    number = os.strerror(FAULTS[fault][0])
    assert said and all(number in text or "could not be put back" in text for text in said)


def test_after_a_power_cut_the_next_start_finds_all_of_one_generation_and_no_empty_file(
    machine: ServingMachine, failing: FailingDisk
) -> None:
    beside = 0
    for at, wanted in rounds(machine, failing, bool):
        failing.arm(at, "power cut", lasting=True)
        try:
            change.apply()
        except PowerCut:
            failing.disarm()
            failing.lose_what_was_not_synced(machine.disk.root)
            if generations.is_changing():  # only then it is called
                beside += bool(left_over(machine))
                installed_files.finish_interrupted()
                assert not left_over(machine), (at, failing.failed)
        assert is_one_of(machine, wanted), (at, failing.failed)
        failing.disarm()
        change.apply()
        assert installed_files.is_installed(wanted), "the next deploy finishes"
        assert not left_over(machine) and not installed_files.left_overs(), (at, failing.failed)
    assert beside > 10


LEFT = (
    *("etc/.nginx.conf.old", "etc/tls/.gone.key.old", "etc/tls/.gone.key.new", ".unit.old"),
    *(".sbin-nginx.old", ".sbin-nginx.new", "home/staged.new", "home/before.new"),
    *("home/.manifest.new", "home/view.7/a", "home/upload.7.tar", "home/generations/.one.new/a"),
)


@pytest.mark.parametrize("left", LEFT)
def test_what_a_run_that_was_killed_has_left_makes_the_next_deploy_remove_it(
    machine: ServingMachine, left: str
) -> None:
    """Also a copy of a key that only an earlier generation has, and where all else is done."""
    earlier = machine.disk.generation("zero", **{"tls/gone.key": "secret"})
    installed_files.install(earlier)
    generations.set_link("previous", "zero")
    installed_files.install(machine.one)
    generations.set_link("staged", "one")
    generations.set_link("current", "one")
    path = machine.disk.root / left
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("secret")
    mine = machine.disk.etc / "tls" / ".mine.old"
    mine.write_text("somebody's own")
    assert len(installed_files.left_overs()) == 1
    machine.observed = machine.observed._replace(recorded=False)  # as observe() finds then
    change.apply()
    assert not path.exists() and not installed_files.left_overs() and mine.exists()


@pytest.mark.parametrize("fault", FAULTS)
def test_an_installation_that_fails_has_put_everything_back_itself(
    machine: ServingMachine, failing: FailingDisk, fault: str
) -> None:
    for at in count(1):
        wanted = begin(machine)
        failing.arm(at, fault)
        try:
            installed_files.install(wanted)
        except OSError as error:
            assert os.strerror(FAULTS[fault][0]) in machine_files.in_words(error)
        assert is_one_of(machine, wanted), (at, failing.failed)
        if failing.count < at:
            assert at > 30
            return


def test_what_a_change_that_is_complete_has_written_outlives_a_power_cut(
    machine: ServingMachine, failing: FailingDisk
) -> None:
    wanted = begin(machine)
    failing.remember(machine.disk.state / "generations")
    change.apply()
    failing.lose_what_was_not_synced(machine.disk.root)
    assert installed_files.is_installed(wanted)
    assert generations.linked("current").name == wanted.name


def test_a_generation_is_stored_whole_or_counts_as_none(disk: Disk, failing: FailingDisk) -> None:
    """Also where what fills it (tar) has synced nothing."""

    def fill(directory: str) -> None:
        for name, text in (("about", "build=old\nport=80\n"), ("etc/nginx.conf", "# new")):
            with open(os.path.join(directory, name), "w") as file:
                file.write(text)

    for at in count(1):
        failing.arm(at, "power cut", lasting=True)
        try:
            generations.create("new", fill)
        except PowerCut:
            failing.disarm()
            failing.lose_what_was_not_synced(disk.state)
        failing.disarm()
        there = generations.stored("new")
        assert there is None or there.files == {"nginx.conf": b"# new"}, at
        if not failing.failed:
            assert there and at > 5
            return
        assert generations.create("new", fill).files == {"nginx.conf": b"# new"}
        generations.remove(str(disk.state / "generations" / "new"))


def test_a_file_that_cannot_be_kept_for_the_way_back_is_not_replaced(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_files.install(disk.generation("one", __a="a;"))

    def refused(*words: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted", str(disk.etc / "nginx.conf"))

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(PermissionError):
        installed_files.install(disk.generation("two", __a="b;"))
    assert disk.in_etc() == {"nginx.conf": "# one", "conf.d/a": "a;"}


def test_two_changes_by_hand_within_a_second_are_two_generations(disk: Disk) -> None:
    """Or at what the clock calls the same second again."""
    wanted = disk.generation("one")
    installed_files.install(wanted)
    names = set()
    for text in ("# by hand", "# again by hand", "# by hand"):
        (disk.etc / "nginx.conf").write_text(text)
        found = installed_files.snapshot(wanted)
        assert found.files["nginx.conf"] == text.encode()
        names.add(found.name)
    assert len(names) == 2
