"""The script that holds a machine's lock, in this machine's shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.lock import lock_owner
from controller.lock.lock_owner import LockOwner, Sighting
from controller.rendering import read

ALICE = LockOwner("0a1b", "alice@desk", "deploy.py", 4711)
BOB = LockOwner("2c3d", "bob@laptop", "switchover.py", 12)


class Machine:
    """The script with its lock and drain in a directory, as a machine would run it."""

    def __init__(self, directory: Path):
        self.lock, self.drain = directory / "tandem.lock", directory / "drain"
        self._script = read("lock/hold-lock.sh").replace("/run/tandem.lock", str(self.lock))

    @contextmanager
    def run(
        self, owner: LockOwner, breaks: str = "", silence: float = 20, first: str = ""
    ) -> Iterator[subprocess.Popen[str]]:
        values = {
            "token": owner.token,
            "owner": lock_owner.as_line(owner),
            "breaks": breaks,
            "drain": str(self.drain),
            "silence": str(silence),
        }
        given = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
        with subprocess.Popen(
            ["sh", "-c", f"{given}{first}\n{self._script}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def record(self) -> Sighting:
        return lock_owner.sighting(f"0 {self.lock.read_text()}".replace("\n", "\t"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def hears(process: subprocess.Popen[str], line: str = "") -> str:
    """What it says, in its next line, after it was told `line`."""
    assert process.stdin and process.stdout
    if line:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


def hang_up(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.close()
    process.wait(5)


def test_the_second_is_told_who_was_first_and_what_that_one_is_doing(machine: Machine) -> None:
    with machine.run(ALICE) as first:
        assert hears(first) == "tandem-lock held"
        assert hears(first, r"host2: a \n step") == "tandem-lock alive"
        with machine.run(BOB) as second:
            word, _, rest = hears(second).removeprefix("tandem-lock ").partition(" ")
            assert word == "refused" and second.wait(5) == 0
        seen = lock_owner.sighting(rest)
        assert seen.owner == ALICE and seen.step == r"host2: a \n step"
        assert seen.silent_s <= seen.seconds < 60


def test_how_long_the_first_has_been_silent_is_told(machine: Machine) -> None:
    with machine.run(ALICE) as first:
        assert hears(first) == "tandem-lock held"
        time.sleep(0.3)
        assert hears(first, "a step") == "tandem-lock alive"
        with machine.run(BOB) as second:
            seen = lock_owner.sighting(hears(second).removeprefix("tandem-lock refused "))
        assert seen.silent_s < seen.seconds - 0.2


def test_it_ends_with_its_connection_and_leaves_neither_file_nor_drain(machine: Machine) -> None:
    with machine.run(ALICE) as first:
        assert hears(first) == "tandem-lock held"
        machine.drain.write_text(f"{ALICE.token}\n")
        hang_up(first)
    assert not machine.lock.exists() and not machine.drain.exists()
    with machine.run(BOB) as second:
        assert hears(second) == "tandem-lock held"


def test_a_drain_of_another_run_stays(machine: Machine) -> None:
    with machine.run(ALICE) as first:
        assert hears(first) == "tandem-lock held"
        machine.drain.write_text(f"{BOB.token}\n")
        hang_up(first)
    assert machine.drain.exists()


def test_it_gives_up_when_it_hears_nothing(machine: Machine) -> None:
    with machine.run(ALICE, silence=0.2) as first:
        assert hears(first) == "tandem-lock held"
        machine.drain.write_text(f"{ALICE.token}\n")
        assert first.wait(5) == 0
    assert not machine.lock.exists() and not machine.drain.exists()


def test_whatever_kills_it_ends_the_lock(machine: Machine) -> None:
    with machine.run(ALICE) as first:
        assert hears(first) == "tandem-lock held"
        first.kill()
        first.wait(5)
        with machine.run(BOB) as second:
            assert hears(second) == "tandem-lock held"
            assert machine.record().owner == BOB


def test_breaking_it_ends_who_has_it_and_that_ones_drain(machine: Machine) -> None:
    with machine.run(ALICE) as first:
        assert hears(first) == "tandem-lock held"
        machine.drain.write_text(f"{ALICE.token}\n")
        with machine.run(BOB, breaks="any") as second:
            word, _, rest = hears(second).removeprefix("tandem-lock ").partition(" ")
            assert word == "broken" and lock_owner.sighting(rest).owner == ALICE
            assert hears(second) == "tandem-lock held"
            assert first.wait(5) == -9
            assert not machine.drain.exists()
            assert machine.record().owner == BOB


def test_a_part_of_a_run_inherits_its_lock_as_long_as_it_has_it(machine: Machine) -> None:
    with machine.run(ALICE) as drill:
        assert hears(drill) == "tandem-lock held"
        with machine.run(ALICE) as deploy:
            assert hears(deploy) == "tandem-lock inherited"
            assert hears(deploy, "a step") == "tandem-lock alive"
            hang_up(deploy)
        assert hears(drill, "the next drill") == "tandem-lock alive"
        with machine.run(ALICE) as deploy:
            assert hears(deploy) == "tandem-lock inherited"
            hang_up(drill)
            assert hears(deploy, "a step") == ""
            assert deploy.wait(5) == 0


def test_breaking_it_ends_the_parts_of_that_run_as_well(machine: Machine) -> None:
    with machine.run(ALICE) as drill:
        assert hears(drill) == "tandem-lock held"
        with machine.run(ALICE) as deploy:
            assert hears(deploy) == "tandem-lock inherited"
            with machine.run(BOB, breaks="any") as other:
                assert hears(other).startswith("tandem-lock broken")
                assert hears(other) == "tandem-lock held"
                assert (drill.wait(5), deploy.wait(5)) == (-9, -9)


def test_after_a_cut_connection_a_run_takes_its_own_lock_again(machine: Machine) -> None:
    with machine.run(ALICE) as cut:
        assert hears(cut) == "tandem-lock held"
        machine.drain.write_text(f"{ALICE.token}\n")
        with machine.run(ALICE, breaks="own") as again:
            assert hears(again) == "tandem-lock held"
            assert cut.wait(5) == -9 and machine.drain.exists()
            with machine.run(BOB, breaks="own") as other:
                assert hears(other).startswith("tandem-lock refused")


def test_one_that_is_just_going_is_in_nobodys_way(machine: Machine) -> None:
    """It has removed the file, and has not ended yet; whoever comes has opened it before that."""
    with machine.run(ALICE) as first:
        assert hears(first) == "tandem-lock held"
        going = f"[ -e {machine.drain} ] || rm -f {machine.lock}; touch {machine.drain}"
        with machine.run(BOB, first=f'flock() {{ {going}; command flock "$@"; }}') as second:
            assert hears(second) == "tandem-lock held"


def test_a_lock_that_was_removed_by_hand_is_held_no_more(machine: Machine) -> None:
    with machine.run(ALICE) as first:
        assert hears(first) == "tandem-lock held"
        machine.lock.unlink()
        with machine.run(BOB) as second:
            assert hears(second) == "tandem-lock held"
            assert hears(first, "a step") == ""
            assert first.wait(5) == 0
            assert machine.record().owner == BOB


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_was_put_in_the_locks_place_is_neither_written_to_nor_waited_for(
    machine: Machine, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "other").write_text("mine")
    if kind == "link":
        machine.lock.symlink_to("other")
    else:
        os.mkfifo(machine.lock)
    with machine.run(ALICE) as first:
        assert hears(first) == "tandem-lock held"
        with machine.run(BOB) as second:
            assert hears(second).startswith("tandem-lock refused ")
    assert (tmp_path / "other").read_text() == "mine"
