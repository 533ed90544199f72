"""drill.py with undo=1: exit code 0 only where nothing of what earlier runs have left remains."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from drills import drill_run
from drills.conduct import earlier_runs
from drills.conduct.earlier_runs import EarlierRuns
from drills.control import undo_journal
from drills.results import NotPutBack
from settings import Cluster
from tests.unit.drills.restoring.test_undo_journal import CABLE, CLUSTER, FROZEN, Machines, killed

ELSEWHERE = replace(FROZEN, cluster="db", vip="192.0.2.254", node="db1", address="192.0.2.61")


def undone(
    patch: pytest.MonkeyPatch, clusters: list[Cluster], around: tuple[NotPutBack, ...] = ()
) -> int:
    """The exit code, where `clusters` are those that the run is limited to."""
    patch.setattr(drill_run._DrillRun, "earlier", EarlierRuns([CLUSTER]), raising=False)
    patch.setattr(drill_run._DrillRun, "around", around)
    patch.setattr(drill_run, "Machines", lambda state, cluster: Machines())
    patch.setattr(earlier_runs, "sweep", lambda cluster, machines: ())
    state: Any = None
    return drill_run._undone(state, clusters)


def test_nothing_that_is_left_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert undone(monkeypatch, [CLUSTER]) == 0
    assert "No earlier run has left anything." in capsys.readouterr().err


def test_all_that_was_left_is_put_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(FROZEN)
    assert undone(monkeypatch, [CLUSTER]) == 0
    assert "Put back." in capsys.readouterr().err
    assert not list(undo_journal.directory().iterdir())


@pytest.mark.parametrize(
    "spoil",
    [
        '{"author": 7}\n{"note": 1, "record": {"something": "else"}}\n',
        "no JSON\n",
        "[]\n",
        '{"note": 1}\n',
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_notes_that_cannot_be_read_are_something_that_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spoil: str, whole: bool
) -> None:
    """All of them, or some of a run whose other notes can be read."""
    killed(FROZEN)
    (file,) = undo_journal.directory().iterdir()
    file.write_text(spoil if whole else file.read_text() + spoil)
    assert undone(monkeypatch, [CLUSTER]) == 1
    said = capsys.readouterr()
    assert f"look at {file}" in said.out and "cannot be read" in said.out
    assert "No earlier run" not in said.err and "Put back." not in said.err
    assert file.exists()


def test_notes_that_cannot_be_opened_are_something_that_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(FROZEN)
    (file,) = undo_journal.directory().iterdir()

    def refuse(path: object, *given: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(undo_journal, "held", refuse)
        assert undone(patch, [CLUSTER]) == 1
    assert f"look at {file}" in capsys.readouterr().out
    gone = file.with_name("gone.jsonl")
    os.symlink(file.with_name("nowhere"), gone)
    assert len(list(undo_journal.earlier_runs())) == 1, "what has just gone is no run"


def test_what_a_limited_run_leaves_out_is_something_that_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run on two clusters was killed; --limit names one of them, or the other."""
    killed(FROZEN, ELSEWHERE)
    assert undone(monkeypatch, []) == 1
    said = capsys.readouterr()
    assert "NOT PUT BACK: nginx frozen on host2: " in said.out
    assert "NOT PUT BACK: nginx frozen on db1: " in said.out
    assert undone(monkeypatch, [CLUSTER]) == 1
    said = capsys.readouterr()
    assert "nginx frozen on db1" in said.out and "nginx frozen on host2" not in said.out
    assert "By hand, as root on db1: pkill -CONT nginx" in said.out
    assert "Put back." not in said.err
    assert len(list(undo_journal.directory().iterdir())) == 1


def test_what_could_not_be_put_back_is_told_once_and_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(CABLE)
    monkeypatch.setattr(drill_run._DrillRun, "around", ())
    found = EarlierRuns([CLUSTER])
    around = found.put_back_around(None, lambda text: None)
    assert found.remaining() == around
    monkeypatch.setattr(drill_run, "EarlierRuns", EarlierRuns)
    monkeypatch.setattr(earlier_runs, "sweep", lambda cluster, machines: ())
    monkeypatch.setattr(drill_run, "Machines", lambda state, cluster: Machines())
    monkeypatch.setattr(drill_run._DrillRun, "earlier", found, raising=False)
    monkeypatch.setattr(drill_run._DrillRun, "around", around)
    state: Any = None
    assert drill_run._undone(state, [CLUSTER]) == 1
    assert capsys.readouterr().out.count("NOT PUT BACK: cable pulled on host1: this needs") == 1
