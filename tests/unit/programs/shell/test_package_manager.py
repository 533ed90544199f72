"""files/machine/package-manager with a pretended apt-get and dnf: others are waited for.

What they say was printed by apt 2.6 while each lock was held, and is written as in dnf 4.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.programs.shell.pretended_packages import run

SAID = {
    "lists": "E: Could not get lock /var/lib/apt/lists/lock. It is held by process {pid} "
    "(apt-get)\nE: Unable to lock directory /var/lib/apt/lists/",
    "frontend": "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process {pid} "
    "(unattended-upgr)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), "
    "is another process using it?",
    "dpkg": "E: Could not get lock /var/lib/dpkg/lock. It is held by process {pid} (dpkg)\n"
    "E: Unable to lock the administration directory (/var/lib/dpkg/), is another process using it?",
    "archives": "E: Could not get lock /var/cache/apt/archives/lock. It is held by process {pid} "
    "(apt-get)\nE: Unable to lock the download directory",
    "in between": "dpkg: error: dpkg frontend lock was locked by another process with pid {pid}\n"
    "E: Sub-process /usr/bin/dpkg returned an error code (2)",
    "rpm": "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily "
    "unavailable)",
    "dnf": "RPMDB already locked by {pid}\nThe application with PID {pid} is: dnf",
}


def held(lock: str, pid: int | None = None) -> str:
    return SAID[lock].format(pid=pid or os.getpid())


@pytest.mark.parametrize(
    ("lock", "words", "step"),
    [
        ("lists", "apt-get install curl", "update"),
        ("frontend", "apt-get install curl", "install"),
        ("dpkg", "apt-get install curl", "install"),
        ("archives", "apt-get install curl", "install"),
        ("in between", "apt-get install curl", "install"),
        ("dnf", "dnf install curl", "install"),
        ("dnf", "dnf remove curl", "remove"),
    ],
)
def test_whoever_has_a_lock_is_named_and_waited_for(
    tmp_path: Path, lock: str, words: str, step: str
) -> None:
    ran = run(tmp_path, f"300 {words}", {step: [held(lock)] * 3})
    assert ran.code == 0
    assert sum(f" {step} " in f"{line} " for line in ran.asked if "rpm" not in line) == 4
    (line,) = (line for line in ran.said.splitlines() if line.startswith("waiting: "))
    assert "python" in line and f"(pid {os.getpid()}, since " in line


@pytest.mark.parametrize("lock", SAID.keys() - {"rpm"})
def test_who_does_not_end_is_named_and_what_to_do(tmp_path: Path, lock: str) -> None:
    manager = "dnf" if lock == "dnf" else "apt-get"
    ran = run(tmp_path, f"0 {manager} install curl", {"install": [held(lock)] * 9})
    assert ran.code == 75
    assert f"(pid {os.getpid()}, since " in ran.said and "package_lock_wait_s" in ran.said


def test_a_holder_that_is_stopped_is_said_to_be_on_one_line(tmp_path: Path) -> None:
    """As aptitude is after Ctrl-Z; a name may have ends of lines in it."""
    holder = subprocess.Popen(["sh", "-c", "kill -STOP $$\n: more"])
    try:
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        ran = run(tmp_path, "0 apt-get install curl", {"install": [held("frontend", holder.pid)]})
    finally:
        holder.kill()
        holder.wait()
    (line,) = (line for line in ran.said.splitlines() if f"(pid {holder.pid}, since " in line)
    assert line.count("kill -STOP $$ : more") == 1
    assert f"stopped: 'kill -CONT {holder.pid}'" in line


def test_a_process_that_has_ended_meanwhile_is_no_trouble(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    ran = run(tmp_path, "300 apt-get install curl", {"install": [held("frontend", gone.pid)]})
    assert ran.code == 0 and "waiting: for another process" in ran.said


def test_a_lock_whose_holder_nobody_names_is_waited_for(tmp_path: Path) -> None:
    ran = run(tmp_path, "300 dnf install curl", {"install": [SAID["rpm"]]})
    assert ran.code == 0 and "waiting: for another process, which has" in ran.said


@pytest.mark.parametrize(
    "error",
    [
        "E: Unable to locate package curl",
        "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)",
        "E: Could not get lock /var/lib/dpkg/lock - open (37: No locks available)",
    ],
)
def test_what_is_no_lock_fails_at_once_and_is_shown(tmp_path: Path, error: str) -> None:
    ran = run(tmp_path, "300 apt-get install curl", {"install": [error] * 2})
    assert ran.code == 1 and error in ran.said and "waiting" not in ran.said
    assert sum(" install " in line for line in ran.asked) == 1


def test_what_a_power_cut_has_left_half_way_is_finished_first(tmp_path: Path) -> None:
    updates = tmp_path / "var" / "lib" / "dpkg" / "updates"
    updates.mkdir(parents=True)
    (updates / "0001").touch()
    ran = run(tmp_path, "300 apt-get install curl", {})
    assert ran.code == 0
    assert ran.asked[0].startswith("dpkg ") and ran.asked[0].endswith("--configure -a")


def test_what_a_power_cut_has_left_of_a_log_goes_and_that_of_a_run_at_work_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / "tandem").mkdir()
    left, at_work = (
        tmp_path / "tandem" / f"packages.log.{pid}" for pid in (99_999_999, os.getpid())
    )
    left.touch()
    at_work.touch()
    assert run(tmp_path, "20 apt-get install nginx", {}).code == 0
    assert not left.exists() and at_work.exists()


def test_the_lists_are_fetched_once_for_packages_that_come_one_after_the_other(
    tmp_path: Path,
) -> None:
    first, second = (run(tmp_path, "300 apt-get install chrony", {}) for _ in range(2))
    assert (first.code, second.code) == (0, 0)
    # Of both: what was asked is in one file.
    assert len([line for line in second.asked if "update" in line]) == 1
