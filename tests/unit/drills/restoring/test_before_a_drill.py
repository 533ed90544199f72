"""What drill.py says and asks before it breaks anything, through pyinfra's own command line."""

from __future__ import annotations

import os
from pathlib import Path

from drills.control import undo_journal
from drills.control.undo_journal import UndoJournal, UndoRecord, Way
from tests.support.drilling.drill_world import pair
from tests.unit.controller.test_preflight import INVENTORY, inventory, pyinfra

__all__ = ["INVENTORY", "inventory"]


def noted(*records: UndoRecord) -> None:
    """As an earlier run has left it that is not at work any more."""
    journal = UndoJournal.begin([pair()])
    for record in records:
        journal.note(record)
    journal.end()
    text = journal.path.read_text().replace(f'"pid": {os.getpid()}', '"pid": 1')
    journal.path.write_text(text)


FROZEN = UndoRecord(
    *("nginx frozen", Way.MACHINE, ("nginx", ""), "pkill -CONT nginx"),
    *("web", "192.0.2.254", "host1", "192.0.2.61", "nginx-freeze"),
)


def test_what_an_earlier_run_has_left_is_listed_and_asked_about(inventory: Path) -> None:
    noted(FROZEN)
    listed = pyinfra(inventory, "drill.py")
    assert listed.returncode == 0
    assert "An earlier run (nginx-freeze), of 20" in listed.stdout
    assert "nginx frozen on host1" in listed.stdout
    assert "Put it back: --data undo=1" in listed.stdout
    for wanted in ("drills=nginx-crash", "undo=1"):
        done = pyinfra(inventory, "drill.py", "--data", wanted)
        assert done.returncode == 1
        assert "nginx frozen on host1" in done.stdout
        assert "Nobody is here to be asked. If you mean it: --data yes=1" in done.stdout
        assert "Connecting" not in done.stdout
    assert "breaks nothing" in done.stdout
    assert len(list(undo_journal.directory().iterdir())) == 1


def test_a_report_that_cannot_be_written_is_said_before_anything_is_broken(
    inventory: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    where = tmp_path / "file" / "report"
    words = ("--data", "drills=nginx-crash", "--data", "yes=1", "--data", f"report={where}")
    done = pyinfra(inventory, "drill.py", *words)
    assert done.returncode == 1
    assert "The report cannot be written" in done.stdout
    assert "Nothing was broken" in done.stdout
    assert "Connecting" not in done.stdout and "Traceback" not in done.stdout


def test_where_nothing_can_be_noted_nothing_is_broken(inventory: Path, own_notes: Path) -> None:
    (own_notes / "tandem").touch()
    done = pyinfra(inventory, "drill.py", "--data", "drills=nginx-crash", "--data", "yes=1")
    assert done.returncode == 1
    assert "What is broken cannot be noted" in done.stdout
    assert "Connecting" not in done.stdout and "Traceback" not in done.stdout
