"""Two controllers at the same pair: one of them works, whatever becomes of the other."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.lock.lock_owner import BEAT_S, DRAIN, OVERDUE_S
from lab.twin import Lab
from tests.support.lab.controllers import impatient
from tests.support.lab.controllers.other_controller import OtherController, asked, beside
from tests.support.lab.deployment import PYINFRA, Done, deploy, pyinfra, verify
from tests.support.lab.pair import HOSTS, holders, on, wait_until

LOCK = "/run/tandem.lock"
# A controller that the machines wait for no longer than for three of its beats.
SILENT_S = round(3 * BEAT_S)
SOON_SILENT = impatient.command(
    *(f"controller.lock.{module}.SILENCE_S={SILENT_S}" for module in ("lock_owner", "lock_holder"))
)
DEPLOY = ("-y", "inventory.py", "deploy.py")
# Restarts nginx, so that a machine is drained in its turn; and what only is loaded anew.
RESTARTS, RELOADS = "worker_connections", "keepalive_timeout_s"


@contextmanager
def stopped_in_a_turn(
    lab: Lab, directory: Path, program: tuple[str, ...] = (PYINFRA,)
) -> Iterator[OtherController]:
    """A deploy that hangs, like a controller that sleeps, when it has drained host1."""
    words = (*DEPLOY, "--data", f"{RESTARTS}=2048")
    with beside(lab, directory, *words, program=program) as other:
        seen = lab.ssh("host1", f"timeout 60 sh -c 'until test -e {DRAIN}; do :; done'")
        other.signal(signal.SIGSTOP)
        assert seen.returncode == 0, other.said()
        yield other


def locked(lab: Lab) -> list[str]:
    return [host for host in HOSTS if lab.ssh(host, f"test -e {LOCK}").returncode == 0]


def drained(lab: Lab) -> list[str]:
    return [host for host in HOSTS if lab.ssh(host, f"test -e {DRAIN}").returncode == 0]


def served(lab: Lab, setting: str) -> list[str]:
    return [on(lab, host, f"sed -n 's/^ *{setting} *//p' /etc/nginx/nginx.conf") for host in HOSTS]


def refused(done: Done) -> bool:
    return done.returncode == 1 and "--> Refused: host1 is locked: " in done.stdout


def test_of_two_that_begin_at_once_one_deploys_and_the_other_is_told_who(
    lab: Lab, plain: None, tmp_path: Path
) -> None:
    for attempt in range(2):
        ours, theirs = 20 + attempt, 40 + attempt
        with beside(lab, tmp_path, *DEPLOY, "--data", f"{RELOADS}={theirs}") as other:
            here = deploy(lab, "--data", f"{RELOADS}={ours}")
            there = other.ended()
        lost, won, settings = (here, there, theirs) if refused(here) else (there, here, ours)
        assert refused(lost) and won.returncode == 0, f"{here.stdout}\n---\n{there.stdout}"
        assert re.search(r"\S+@\S+ runs deploy\.py \(process \d+\) since \d\d:", lost.stdout)
        assert "--data break_lock=1" in lost.stdout and "No machine was touched" in lost.stdout
        assert served(lab, "keepalive_timeout") == [f"{settings};"] * 2
        assert not locked(lab)
    assert verify(lab, "--data", f"{RELOADS}={settings}", "--data", "wait=20").returncode == 0


def test_whatever_changes_something_needs_the_lock_and_what_only_looks_does_not(
    lab: Lab, plain: None, tmp_path: Path
) -> None:
    with asked(lab, tmp_path, "inventory.py", "deploy.py"):
        assert locked(lab) == list(HOSTS)
        for words in (
            DEPLOY,
            ("-y", "inventory.py", "rollback.py"),
            ("-y", "inventory.py", "switchover.py", "--data", "to=host2"),
            ("-y", "inventory.py", "teardown.py", "--data", "yes=1"),
            ("inventory.py", "drill.py", "--data", "drills=nginx-crash"),
        ):
            done = pyinfra(lab, *words)
            assert refused(done), done.stdout
        assert pyinfra(lab, "--dry", "inventory.py", "deploy.py").returncode == 0
        assert verify(lab, "--data", "wait=20").returncode == 0
    assert holders(lab) == ["host1"]


def test_two_that_are_limited_to_one_machine_each_exclude_each_other(
    lab: Lab, plain: None, tmp_path: Path
) -> None:
    with asked(lab, tmp_path, "inventory.py", "deploy.py", "--limit", "host2"):
        done = deploy(lab, "--limit", "host1")
        assert refused(done), done.stdout


def test_a_machine_that_cannot_be_reached_keeps_nobody_from_the_other(
    lab: Lab, plain: None
) -> None:
    lab.unplug("host2")
    try:
        done = deploy(lab, "--limit", "host1")
    finally:
        lab.plug("host2")
    assert done.returncode == 0, done.stdout
    assert "host2, which --limit leaves out, does not answer" in done.stdout


def test_a_killed_controller_leaves_neither_a_lock_nor_a_drained_machine(
    lab: Lab, plain: None, tmp_path: Path
) -> None:
    with stopped_in_a_turn(lab, tmp_path) as other:
        other.signal(signal.SIGKILL)
        assert wait_until(lambda: not locked(lab) and not drained(lab), 5)
    done = deploy(lab)
    assert done.returncode == 0, done.stdout


def test_a_broken_lock_stops_the_other_run_at_its_next_step(
    lab: Lab, plain: None, tmp_path: Path
) -> None:
    with stopped_in_a_turn(lab, tmp_path) as other:
        done = deploy(lab, "--data", "break_lock=1", "--data", f"{RELOADS}=33")
        assert done.returncode == 0, done.stdout
        assert re.search(r"The lock on host1 is broken: \S+ runs deploy\.py", done.stdout)
        assert not drained(lab)
        other.signal(signal.SIGCONT)
        ended = other.ended()
    assert ended.returncode == 1, ended.stdout
    assert "--> Stopped: The lock on host1 is lost" in ended.stdout
    assert "Traceback" not in ended.stdout
    assert not drained(lab) and not locked(lab)
    assert served(lab, "keepalive_timeout") == ["33;"] * 2


def test_a_run_waits_for_one_that_is_silent_and_is_refused_when_that_one_is_heard_again(
    lab: Lab, plain: None, tmp_path: Path
) -> None:
    with stopped_in_a_turn(lab, tmp_path) as silent:
        time.sleep(OVERDUE_S + 1)
        with beside(lab, tmp_path, *DEPLOY) as other:
            assert wait_until(lambda: "waiting until it is heard" in other.said(), 15)
            silent.signal(signal.SIGCONT)
            assert refused(other.ended()), other.said()
        ended = silent.ended()
    assert ended.returncode == 0, ended.stdout
    assert served(lab, RESTARTS) == ["2048;"] * 2 and not drained(lab)
    assert deploy(lab).returncode == 0


def test_a_run_that_is_broken_while_it_works_is_told_by_whom(
    lab: Lab, plain: None, tmp_path: Path
) -> None:
    with beside(lab, tmp_path, *DEPLOY, "--data", f"{RELOADS}=55") as theirs:
        assert wait_until(lambda: "Beginning operation run" in theirs.said(), 60)
        theirs.signal(signal.SIGSTOP)
        with asked(lab, tmp_path, "inventory.py", "deploy.py", "--data", "break_lock=1"):
            theirs.signal(signal.SIGCONT)
            ended = theirs.ended()
    assert ended.returncode == 1, ended.stdout
    assert re.search(r"is lost: it was broken, and \S+@\S+ runs deploy\.py", ended.stdout)
    assert not drained(lab)


def test_a_controller_that_is_silent_loses_the_lock_and_goes_no_further(
    lab: Lab, plain: None, tmp_path: Path
) -> None:
    with stopped_in_a_turn(lab, tmp_path, SOON_SILENT) as other:
        assert locked(lab) == list(HOSTS)
        assert wait_until(lambda: not locked(lab), SILENT_S + 15)
        assert not drained(lab)
        other.signal(signal.SIGCONT)
        ended = other.ended()
    assert ended.returncode == 1, ended.stdout
    assert f"this controller was silent for {SILENT_S} s" in ended.stdout
    assert not drained(lab)
