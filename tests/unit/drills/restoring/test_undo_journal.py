"""What a run notes on the disk before it breaks something, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

import settings
from drills.conduct import earlier_runs
from drills.conduct.earlier_runs import EarlierRuns
from drills.control import undo_journal
from drills.control.faults import NGINX_FROZEN
from drills.control.lab_control import Guard
from drills.control.machines import MachineError
from drills.control.undo_journal import UndoJournal, UndoRecord, Way
from drills.control.undo_log import UndoLog
from tests.support.drilling.drill_world import pair

CLUSTER = pair()
CABLE = UndoRecord(
    *("cable pulled", Way.LAB, ("plug", "host1"), "lab plug host1"),
    *("web", "172.16.12.254", "host1", "172.16.12.61", "link-cut"),
)
FROZEN = UndoRecord(
    *("nginx frozen", Way.MACHINE, ("nginx", ""), "pkill -CONT nginx"),
    *("web", "172.16.12.254", "host2", "172.16.12.62", "nginx-freeze"),
)
CHANGED = UndoRecord(
    *("what was changed", Way.COMMAND, ("-c", "open('mark', 'w')"), "pyinfra deploy.py"),
    *("web", "172.16.12.254", "", "", "upgrade"),
)


def killed(*records: UndoRecord, guard: tuple[str, ...] = (), kill: bool = True) -> int:
    """A run of another process that has noted these and was killed; its process."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            journal = UndoJournal.begin([CLUSTER])
            for record in records:
                journal.note(record)
            if guard:
                assert Guard(list(guard), (journal.descriptor,))
            os.write(tell, b"noted")
            signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    assert os.read(told, 9) == b"noted"
    os.close(told)
    if kill:
        end(pid)
    return pid


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_killed_run_is_found_with_what_it_had_noted() -> None:
    killed(CABLE, FROZEN)
    (run,) = undo_journal.earlier_runs()
    assert run.records == (CABLE, FROZEN)
    assert not run.held and not run.author.alive
    lines = "\n".join(EarlierRuns([CLUSTER]).lines())
    assert "An earlier run (link-cut, nginx-freeze), of 20" in lines
    assert "cable pulled on host1" in lines and "nginx frozen on host2" in lines


def test_a_run_that_has_put_all_back_leaves_nothing(own_notes: Path) -> None:
    journal = UndoJournal.begin([CLUSTER])
    number = journal.note(CABLE)
    journal.undone(number)
    journal.end()
    assert not list(undo_journal.directory().iterdir())


def test_what_was_undone_before_the_kill_is_not_told() -> None:
    journal = UndoJournal.begin([CLUSTER])
    journal.undone(journal.note(CABLE))
    journal.note(FROZEN)
    journal.end()
    os.rename(journal.path, journal.path.with_name("other.jsonl"))
    text = (undo_journal.directory() / "other.jsonl").read_text()
    other = text.replace(f'"pid": {os.getpid()}', '"pid": 1')
    (undo_journal.directory() / "other.jsonl").write_text(other)
    (run,) = undo_journal.earlier_runs()
    assert run.records == (FROZEN,)


def test_a_run_at_work_is_no_earlier_one_and_nobody_else_breaks_its_machines() -> None:
    pid = killed(CABLE, kill=False)
    try:
        found = EarlierRuns([CLUSTER])
        assert not found and found.lines() == []
        assert "Another drill.py is at work on these machines: the run of 20" in found.at_work
        assert f"(process {pid})" in found.at_work
    finally:
        end(pid)
    assert EarlierRuns([CLUSTER]).at_work == ""


def test_the_guards_of_a_killed_run_are_waited_for(tmp_path: Path) -> None:
    mark = tmp_path / "put-back"
    killed(CABLE, guard=("sh", "-c", f"sleep 1; touch {mark}"))
    found = EarlierRuns([CLUSTER])
    said: list[str] = []
    assert found.at_work == ""
    assert found.wait_for_guards(said.append) == ()
    assert mark.exists()
    assert "still being put back" in said[0]


def test_guards_that_hang_are_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_runs, "GUARDS_TIMEOUT_S", 0.3)
    killed(CABLE, guard=("sleep", "3"))
    (left,) = EarlierRuns([CLUSTER]).wait_for_guards(lambda text: None)
    assert left.node == "host1" and "has not ended in" in left.why


def test_a_note_that_was_cut_is_none_and_others_count(own_notes: Path) -> None:
    killed(CABLE)
    (file,) = undo_journal.directory().iterdir()
    with file.open("a") as notes:
        notes.write('\n{"note": 2, "record": {"what": "ngi')
    (run,) = undo_journal.earlier_runs()
    assert run.records == (CABLE,) and not run.unreadable


def test_notes_that_cannot_be_read_are_told_and_kept() -> None:
    killed()
    file = undo_journal.directory() / "1.jsonl"
    file.write_text('{"author": 7}\n{"note": 1, "record": {"something": "else"}}\n')
    (run,) = undo_journal.earlier_runs()
    assert run.unreadable == 2
    found = EarlierRuns([CLUSTER])
    assert f"look at {file}" in "\n".join(found.lines()) and file.exists()


def test_what_concerns_other_machines_is_told_and_left() -> None:
    killed(replace(CABLE, address="192.0.2.9", vip="192.0.2.1"))
    (run,) = undo_journal.earlier_runs()
    run.path.write_text(run.path.read_text().replace("172.16.12.", "192.0.2."))
    found = EarlierRuns([CLUSTER])
    assert not found
    assert "what is not of this inventory: cable pulled on host1" in found.lines()[0]
    found.forget_undone()
    assert run.path.exists()


class Machines:
    """Machines that are told what to do."""

    def __init__(self, fails: str = ""):
        self.done: list[tuple[str, str]] = []
        self.names = ("host1", "host2")
        self._fails = fails

    def insist(self, name: str, script: str, timeout_s: float = 30.0) -> str:
        if name == self._fails:
            raise MachineError(f"{name}: not back in 120 s: no answer")
        self.done.append((name, script))
        return ""


def test_everything_is_put_back_and_forgotten(tmp_path: Path) -> None:
    killed(replace(CHANGED, directory=str(tmp_path)), CABLE, FROZEN)
    found = EarlierRuns([CLUSTER])
    said: list[str] = []
    plugged: list[tuple[str, ...]] = []

    class Lab:
        def switch_whole(self, *words: str) -> None:
            plugged.append(words)

    lab, machines = Lab(), Machines()
    assert found.put_back_around(lab, said.append) == ()  # type: ignore[arg-type]
    assert found.put_back_on(CLUSTER, machines, said.append) == ()  # type: ignore[arg-type]
    assert plugged == [("plug", "host1")]
    ((name, script),) = machines.done
    assert name == "host2" and "nginx.undo" in script
    assert (tmp_path / "mark").exists()
    assert [text.removeprefix("Putting back: ") for text in said] == [
        "cable pulled on host1",
        "nginx frozen on host2",
        "what was changed on cluster web",
    ]
    found.forget_undone()
    assert not list(undo_journal.directory().iterdir())


@pytest.mark.parametrize("fails", ["host1", "host2"])
def test_what_cannot_be_put_back_is_told_and_stays_noted(fails: str) -> None:
    killed(FROZEN, replace(FROZEN, node="host1", address="172.16.12.61"))
    found, machines = EarlierRuns([CLUSTER]), Machines(fails)
    (left,) = found.put_back_on(CLUSTER, machines, lambda text: None)  # type: ignore[arg-type]
    assert left.node == fails and "not back in 120 s" in left.why
    assert left.by_hand == f"as root on {fails}: pkill -CONT nginx"
    assert len(machines.done) == 1, "the other was tried all the same"
    swept = earlier_runs.sweep(CLUSTER, machines)  # type: ignore[arg-type]
    assert [each.node for each in swept] == [fails]
    found.forget_undone()
    assert len(list(undo_journal.directory().iterdir())) == 1


def test_what_needs_the_lab_is_not_forgotten_outside_of_it() -> None:
    killed(CABLE)
    (left,) = EarlierRuns([CLUSTER]).put_back_around(None, lambda text: None)
    assert left.by_hand == "here: lab plug host1" and "needs the lab" in left.why


def test_nothing_is_broken_that_cannot_be_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = UndoJournal.begin([CLUSTER])
    log = UndoLog(journal)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("drills.control.undo_journal.os.write", full)
    with pytest.raises(MachineError, match="nothing is broken that could not be noted"):
        log.note(NGINX_FROZEN, "host2", lambda: None, FROZEN)
    assert log.entries == []
    monkeypatch.undo()
    journal.end()


def test_a_disk_that_is_full_half_way_cuts_no_other_note(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = UndoJournal.begin([CLUSTER])
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr("drills.control.undo_journal.os.write", lambda fd, data: write(fd, data[:20]))
        with pytest.raises(MachineError):
            journal.note(CABLE)
    journal.note(FROZEN)
    lines = journal.path.read_text().splitlines()
    assert json.loads(lines[-1])["record"]["what"] == "nginx frozen"
    journal.end()


def test_notes_are_for_their_owner_alone() -> None:
    journal = UndoJournal.begin([CLUSTER])
    assert journal.path.stat().st_mode & 0o077 == 0
    assert undo_journal.directory().stat().st_mode & 0o077 == 0
    journal.end()


def test_in_the_lab_notes_go_with_the_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its HOME is in the lab's directory, whatever the person's own state directory is."""
    monkeypatch.setattr(settings, "IN_LAB", True)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert undo_journal.directory() == tmp_path / ".local/state/tandem/drills"
