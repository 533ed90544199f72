"""Who has a lock, and what a person is told of it."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

import settings
from controller.lock import lock_owner
from controller.lock.lock_owner import LockOwner, Sighting
from tests.support.fakes import inventory

ALICE = LockOwner("0a1b", "alice@desk", "deploy.py", 4711)
BOB = LockOwner("2c3d", "bob@laptop", "switchover.py", 12)
NOW = datetime(2026, 3, 1, 12, 0, 10)


def test_a_lock_is_told_with_owner_command_time_age_and_step() -> None:
    seen = lock_owner.sighting(f"250.5 10.5 {lock_owner.as_line(ALICE)}\thost2: nginx runs\t")
    assert seen == Sighting(ALICE, 240.0, "host2: nginx runs", 240.0)
    told = lock_owner.refusal("host1", seen, NOW)
    assert told.startswith(
        "host1 is locked: alice@desk runs deploy.py (process 4711) since 11:56:10 (4 min), "
        "now at 'host2: nginx runs'. "
    )
    assert "--data break_lock=1 ends the lock now" in told and told.endswith(
        "No machine was touched."
    )


@pytest.mark.parametrize(
    ("owner", "silent_s", "dead"),
    [
        (ALICE, 4.0, False),  # at another controller, and heard just now
        (ALICE, 9.0, True),
        (ALICE._replace(who="me@here", pid=os.getpid()), 4.0, False),
        (ALICE._replace(who="me@here", pid=2**22 + 1), 0.0, True),  # no system has such a number
        (None, 4.0, False),
    ],
)
def test_a_lock_may_end_by_itself_whose_owner_is_silent_or_was_here(
    owner: LockOwner | None, silent_s: float, dead: bool
) -> None:
    seen = Sighting(owner, 60.0, "", silent_s)
    assert lock_owner.may_be_dead(seen, BOB._replace(who="me@here")) is dead


def test_of_a_lock_that_is_older_than_today_the_day_is_told() -> None:
    assert " since 2026-02-27 12:00:10 " in Sighting(ALICE, 2 * 86400, "").told(NOW)


@pytest.mark.parametrize(
    "text", ["", "12.5 ", "12.5 3.5 {", '12.5 3.5 {"who": "x"}', "12.5 3.5 [1]", "x y z", "\t\t"]
)
def test_a_record_that_is_half_written_is_still_a_lock(text: str) -> None:
    assert "somebody is at work since 1" in lock_owner.sighting(text).told(NOW)


def test_who_has_broken_a_lock_is_told_and_otherwise_why_it_can_be_lost() -> None:
    broken = lock_owner.loss("host1", Sighting(BOB, 3, ""), NOW)
    assert "it was broken, and bob@laptop runs switchover.py (process 12) since 12:00:07" in broken
    assert "this controller was silent for 30 s" in lock_owner.loss("host1", None, NOW)


def test_every_controller_takes_the_locks_in_the_same_order_whatever_it_calls_them() -> None:
    (cluster,) = settings.clusters(inventory())
    names = zip(reversed(cluster.nodes), ("a", "b"), strict=True)
    other = [node.model_copy(update={"name": name}) for node, name in names]
    found = [node.address for node in lock_owner.fixed_order(cluster.nodes)]
    assert found == [node.address for node in lock_owner.fixed_order(other)]


def test_what_a_run_starts_is_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lock_owner.TOKEN, "")  # or it would not be taken away again
    monkeypatch.delenv(lock_owner.TOKEN)
    first = lock_owner.this_run(["deploy.py", "switchover.py"])
    assert first.command == "deploy.py switchover.py" and first.pid == os.getpid()
    assert lock_owner.this_run(["deploy.py"]).token == first.token == os.environ[lock_owner.TOKEN]
    monkeypatch.delenv(lock_owner.TOKEN)
    assert lock_owner.this_run(["deploy.py"]).token != first.token


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("sudo: sorry, you must have a tty to run sudo", "!requiretty"),
        ("sudo: a password is required", "_sudo_password"),
        ("mightier than you!; sudo: 3 incorrect password attempts", "_sudo_password right?"),
        ("ann is not in the sudoers file.", "allow the login user"),
        ("sh: 45: cannot create /run/tandem.lock: Permission denied", "_sudo = True"),
        ("sh: 45: cannot create /run/tandem.lock: Read-only file system", "remount"),
        ("sh: 1: cannot create /run/tandem.lock: Is a directory", "rm -r /run/tandem.lock"),
        ("No space left on device", "df /run"),
        ("no answer", "no answer. No machine was touched."),
    ],
)
def test_what_keeps_a_lock_from_being_taken_is_told_with_its_remedy(said: str, remedy: str) -> None:
    told = lock_owner.obstacle("host1", said)
    assert told.startswith(f"The lock on host1 cannot be taken: {said.rstrip('.')}. ")
    assert remedy in told and told.endswith("No machine was touched.")


def test_a_drain_that_cannot_be_written_down_drains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain = tmp_path / "drain"
    monkeypatch.setattr(lock_owner, "DRAIN", str(drain))
    monkeypatch.setenv(lock_owner.TOKEN, ALICE.token)
    drain.symlink_to("/dev/full")
    done = subprocess.run(["sh", "-c", lock_owner.drain()], capture_output=True, text=True)
    assert done.returncode == 1 and "cannot be written: make room there" in done.stderr
    assert not drain.is_symlink()
    subprocess.run(["sh", "-c", lock_owner.drain()], check=True)
    assert drain.read_text() == f"{ALICE.token}\n"
