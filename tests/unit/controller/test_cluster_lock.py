"""The lock of a run on all its machines, with machines that only say who has theirs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import gevent
import pytest
from pyinfra.api import Config, Host, State
from pyinfra.api.state import StateStage

from controller.lock import cluster_lock, lock_owner
from controller.lock.cluster_lock import ClusterLock, LockLost
from controller.lock.lock_holder import LockAnswer
from controller.lock.lock_owner import SILENCE_S, LockOwner, Sighting, obstacle
from settings import Refused
from tests.support.fakes import inventory

HOSTS = {
    "host1": {"ssh_hostname": "172.16.12.61", "priority": 101, "page": "one"},
    "host2": {"ssh_hostname": "172.16.12.62", "priority": 100, "page": "two"},
}
ALICE = LockOwner("0a1b", "alice@desk", "deploy.py", 4711)
BOB = LockOwner("2c3d", "bob@laptop", "rollback.py", 12)
SILENT = LockAnswer("failed", text="no answer")


class PretendedHolder:
    """A holder of a machine in `locks`: who has it by name, or an answer."""

    locks: dict[str, LockOwner | LockAnswer]
    did: list[str]
    # How long whoever has a lock was not heard, each time that one looks.
    silences: list[float]

    def __init__(self, host: Host, owner: LockOwner):
        self.host, self._owner = host, owner
        self._held = False

    def take(self, breaks: str) -> LockAnswer:
        gevent.sleep(0)
        there = self.locks.get(self.host.name)
        if isinstance(there, LockAnswer):
            return there
        if there in (None, self._owner) or breaks == "any":
            self.locks[self.host.name] = self._owner
            self._held = True
            broken = Sighting(there, 5, "") if there not in (None, self._owner) else None
            return LockAnswer("held", broken=broken)
        silent_s = self.silences.pop(0) if self.silences else 0.0
        if silent_s > SILENCE_S:  # it has given up
            del self.locks[self.host.name]
            return self.take(breaks)
        return LockAnswer("refused", Sighting(there, 5, "a step", silent_s))

    def take_again(self) -> None:
        self.did.append(f"again {self.host.name}")

    def release(self) -> None:
        if self._held:
            self._held = False
            self.locks.pop(self.host.name)

    def beat(self, doing: str) -> None:
        pass

    def lost(self, doing: str) -> bool:
        return self._held and self.locks.get(self.host.name) is not self._owner

    def seen_now(self) -> Sighting | None:
        there = self.locks.get(self.host.name)
        self._held = False
        return Sighting(there, 1, "") if isinstance(there, LockOwner) else None

    def run(self, command: str) -> None:
        self.did.append(f"{self.host.name}: {command}")


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterable[type[PretendedHolder]]:
    PretendedHolder.locks, PretendedHolder.did, PretendedHolder.silences = {}, [], []
    monkeypatch.setattr(cluster_lock, "LOOKS_S", 0.01)
    monkeypatch.setattr(cluster_lock, "LockHolder", PretendedHolder)
    return PretendedHolder  # type: ignore[return-value]


def run(owner: LockOwner, limit: str = "", **data: Any) -> tuple[ClusterLock, State]:
    """A run that is connected to the machines within its limit."""
    machines = inventory(HOSTS)
    machines.override_data.update(data)
    state = State(check_for_changes=False)
    limited = [host for host in machines if host.name == limit] if limit else None
    state.init(machines, Config(), initial_limit=limited)  # type: ignore[no-untyped-call]
    state.set_stage(StateStage.Connect)
    lock = ClusterLock(state, owner)
    for host in machines:
        if state.is_host_in_limit(host):
            lock.host_connect(state, host)
    return lock, state


def settle(*locks: ClusterLock) -> list[str]:
    """All at once: why each is refused, "" where it is not."""

    def settled(lock: ClusterLock) -> str:
        try:
            lock.settle()
        except Refused as error:
            return str(error)
        return ""

    return [greenlet.get() for greenlet in [gevent.spawn(settled, lock) for lock in locks]]


def test_a_run_has_the_lock_of_each_machine_until_it_ends() -> None:
    lock, _ = run(ALICE)
    assert settle(lock) == [""]
    assert PretendedHolder.locks == {"host1": ALICE, "host2": ALICE}


def test_of_two_that_find_a_lock_each_the_one_with_the_first_machine_gets_all() -> None:
    ours, _ = run(ALICE)
    theirs, _ = run(BOB)
    PretendedHolder.locks = {"host1": BOB, "host2": ALICE}
    for lock, host in ((ours, "host2"), (theirs, "host1")):
        holder: Any = next(h for h in lock._holders.values() if h.host.name == host)
        holder._held = True
    refused, won = settle(ours, theirs)
    assert won == "" and refused.startswith("host1 is locked: bob@laptop runs rollback.py")
    assert PretendedHolder.locks == {"host1": BOB, "host2": BOB}


def test_a_run_that_is_refused_gives_back_what_it_had() -> None:
    PretendedHolder.locks = {"host2": BOB}
    lock, _ = run(ALICE)
    (refused,) = settle(lock)
    assert refused.startswith("host2 is locked: bob@laptop runs rollback.py")
    assert "now at 'a step'" in refused
    assert PretendedHolder.locks == {"host2": BOB}


def test_a_lock_whose_owner_is_silent_is_waited_for_until_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    PretendedHolder.locks = {"host1": BOB}
    PretendedHolder.silences = [20.0, 21.0, 29.0, 31.0]
    lock, _ = run(ALICE)
    with caplog.at_level("WARNING"):
        assert settle(lock) == [""]
    assert PretendedHolder.locks == {"host1": ALICE, "host2": ALICE}
    (told,) = caplog.messages
    assert "not been heard for 20 s: waiting until it is heard, or its lock ends (10 s)" in told


def test_a_run_whose_owner_is_heard_again_refuses_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_lock, "PATIENCE_S", 0.0)
    PretendedHolder.locks = {"host1": BOB}
    PretendedHolder.silences = [20.0, 21.0, 0.2]
    lock, _ = run(ALICE)
    (refused,) = settle(lock)
    assert refused.startswith("host1 is locked: bob@laptop runs rollback.py")
    assert PretendedHolder.locks == {"host1": BOB} and not PretendedHolder.silences


def test_a_process_that_is_not_here_and_is_heard_all_the_same_is_another_containers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With this one's user, host name and command: a CI's jobs are like that."""
    monkeypatch.setattr(lock_owner, "OVERDUE_S", 0.1)
    monkeypatch.setattr(cluster_lock, "PATIENCE_S", 0.0)
    PretendedHolder.locks = {"host1": ALICE._replace(token="other", pid=2**22 + 1)}
    lock, _ = run(ALICE)
    began = time.monotonic()
    with caplog.at_level("WARNING"):
        (refused,) = settle(lock)
    assert refused.startswith("host1 is locked: alice@desk runs deploy.py (process 4194305)")
    assert time.monotonic() - began < 10, "it waits until nobody would be heard, and no longer"
    (told,) = caplog.messages
    assert "its process is not among those of this controller" in told


def test_a_lock_is_broken_on_every_machine_when_a_person_says_so() -> None:
    PretendedHolder.locks = {"host1": BOB, "host2": BOB}
    lock, _ = run(ALICE, break_lock=1)
    assert settle(lock) == [""]
    assert PretendedHolder.locks == {"host1": ALICE, "host2": ALICE}


def test_a_machine_that_gives_no_answer_ends_the_run() -> None:
    PretendedHolder.locks = {"host2": SILENT}
    lock, _ = run(ALICE)
    assert settle(lock) == [obstacle("host2", "no answer")]
    assert PretendedHolder.locks == {"host2": SILENT}


def test_a_user_who_is_not_root_is_told_once_for_all_machines_with_what_to_set() -> None:
    said = LockAnswer("failed", text="sh: cannot create /run/tandem.lock: Permission denied")
    PretendedHolder.locks = {"host1": said, "host2": said}
    lock, _ = run(ALICE)
    (refused,) = settle(lock)
    assert refused.startswith("Tandem is not root, and has to be: host1, host2: sh: cannot create")
    assert "Set _sudo = True (or _doas = True) beside ssh_user" in refused
    assert refused.endswith("No machine was touched.")


@pytest.mark.parametrize("other", [None, BOB, SILENT], ids=["free", "taken", "away"])
def test_a_limited_run_asks_the_other_machines_of_its_cluster_too(
    other: LockOwner | LockAnswer | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_lock, "_reached", lambda holder, breaks: holder.take(breaks))
    if other:
        PretendedHolder.locks["host2"] = other
    lock, _ = run(ALICE, limit="host1")
    lock.reach_the_others()
    (refused,) = settle(lock)
    assert bool(refused) == (other is BOB)
    assert PretendedHolder.locks.get("host1") == (None if refused else ALICE)
    assert PretendedHolder.locks["host2"] == (other or ALICE)


def test_a_run_whose_lock_is_broken_stops_before_its_next_step_and_lifts_its_drains() -> None:
    lock, state = run(ALICE)
    assert settle(lock) == [""]
    lock.operation_start(state, "a drill, repeat 1 of 5")
    assert not PretendedHolder.did
    PretendedHolder.locks["host2"] = BOB
    with pytest.raises(LockLost, match=r"on host2 is lost: it was broken, and bob@laptop runs"):
        lock.operation_start(state, "a drill, repeat 2 of 5")
    assert len(PretendedHolder.did) == 2
    assert all("rm -f /run/tandem/drain" in command for command in PretendedHolder.did)
    assert PretendedHolder.locks == {"host2": BOB}


def test_a_step_that_fails_after_the_lock_was_broken_is_stopped_for_that() -> None:
    lock, state = run(ALICE)
    assert settle(lock) == [""]
    host = state.inventory.get_host("host1")
    PretendedHolder.locks["host2"] = BOB
    with pytest.raises(LockLost, match=r"on host2 is lost: it was broken, and bob@laptop runs"):
        state.fail_hosts({host})  # type: ignore[no-untyped-call]


def test_a_machine_that_was_without_power_is_locked_again_when_it_is_back() -> None:
    lock, state = run(ALICE)
    assert settle(lock) == [""]
    state.set_stage(StateStage.Prepare)
    lock.host_connect(state, state.inventory.get_host("host1"))
    gevent.sleep(0)
    assert PretendedHolder.did == ["again host1"]
