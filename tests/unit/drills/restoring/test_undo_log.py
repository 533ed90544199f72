"""What is broken is put back exactly once, whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import gevent
import pytest

from drills.conduct.interrupts import Interrupted, delivered, shielded, untold
from drills.control.faults import Fault
from drills.control.lab_control import Guard
from drills.control.machines import MachineError
from drills.control.undo_log import UndoLog

FAULT, OTHER = Fault("nginx", "nginx dead", "", ""), Fault("cable", "cable pulled", "", "")


def test_everything_is_undone_and_nothing_twice() -> None:
    done: list[str] = []
    undo_log = UndoLog()
    undo_log.note(FAULT, "host1", lambda: done.append("host1"))
    undo_log.note(FAULT, "host2", lambda: done.append("host2"))
    undo_log.note(OTHER, "host2", lambda: done.append("cable"))
    undo_log.heal(FAULT, ["host2"])
    assert done == ["host2"]
    undo_log.heal(None, ())
    undo_log.heal(None, ())
    assert sorted(done) == ["cable", "host1", "host2"]
    assert all(entry.undone and entry.to_at for entry in undo_log.entries)
    assert undo_log.undone_at(0.0) > 0


def test_one_that_cannot_be_undone_does_not_keep_the_others_broken() -> None:
    def fail() -> None:
        raise MachineError("host1: no connection")

    done: list[str] = []
    undo_log = UndoLog()
    undo_log.note(FAULT, "host1", fail)
    undo_log.note(OTHER, "host2", lambda: done.append("cable"))
    with pytest.raises(MachineError, match="nginx dead on host1 could not be undone"):
        undo_log.heal(None, ())
    assert done == ["cable"]


def test_what_could_not_be_undone_is_tried_again_and_again() -> None:
    tries: list[str] = []

    def third_time_lucky() -> None:
        tries.append("try")
        if len(tries) < 3:
            raise ValueError("not yet")

    undo_log = UndoLog()
    applied = undo_log.note(FAULT, "host1", third_time_lucky)
    for count in (1, 2):
        with pytest.raises(MachineError, match="ValueError: not yet"):
            undo_log.heal(None, ())
        assert len(tries) == count
        assert undo_log.left() == (applied,)
        assert applied.to_at is None, "it still lasts"
    undo_log.heal(None, ())
    undo_log.heal(None, ())
    assert len(tries) == 3
    assert undo_log.left() == () and applied.undone and applied.to_at
    assert applied.problem == ""


def test_an_attempt_that_goes_on_is_waited_for_and_not_made_twice() -> None:
    tries: list[str] = []

    def slow() -> None:
        tries.append("try")
        gevent.sleep(0.2)

    undo_log = UndoLog()
    undo_log.note(FAULT, "host1", slow)
    first = gevent.spawn(undo_log.heal, None, ())
    gevent.sleep(0.05)
    first.kill()
    undo_log.heal(None, ())
    assert tries == ["try"] and undo_log.left() == ()


def test_what_comes_last_is_undone_last() -> None:
    done: list[str] = []
    undo_log = UndoLog()
    undo_log.note(FAULT, "host1", lambda: done.append("fault"))
    undo_log.note(OTHER, "host1", lambda: done.append("file"), at_end=True)
    undo_log.heal(None, ())
    assert done == ["fault"]
    undo_log.heal(None, (), at_end=True)
    assert done == ["fault", "file"]


def test_a_signal_ends_the_work_and_not_the_putting_back() -> None:
    done: list[str] = []

    def put_back() -> str:
        gevent.sleep(0.3)
        done.append("put back")
        return ""

    def run() -> None:
        with delivered():
            gevent.spawn_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
            try:
                gevent.sleep(5)
            finally:
                gevent.spawn_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
                shielded(put_back)

    with pytest.raises(Interrupted):
        gevent.spawn(run).get()
    assert done == ["put back"]


def test_a_signal_during_the_putting_back_is_heard_afterwards() -> None:
    done: list[str] = []

    def put_back() -> str:
        gevent.sleep(0.5)
        done.append("put back")
        return ""

    def run() -> None:
        with delivered():
            gevent.spawn_later(0.1, os.kill, os.getpid(), signal.SIGINT)
            shielded(put_back)

    with pytest.raises(Interrupted):
        gevent.spawn(run).get()
    assert done == ["put back"]


def test_a_hang_up_is_heard_although_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal is gone with the connection: printing there fails, in the signal's handler."""

    class Gone:
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

        flush = isatty = write

    def run() -> str:
        try:
            with delivered():
                gevent.spawn_later(0.05, os.kill, os.getpid(), signal.SIGHUP)
                gevent.sleep(5)
        except Interrupted:
            return "heard"
        return "not heard"

    monkeypatch.setattr(sys, "stderr", Gone())
    assert gevent.spawn(run).get() == "heard"


def test_a_greenlet_that_fails_is_told_where_it_is_waited_for_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise ValueError("no figure")

    with untold(), pytest.raises(ValueError, match="no figure"):
        gevent.spawn(fail).get()
    assert capsys.readouterr().err == ""


def test_a_guard_acts_when_its_process_dies_and_only_then(tmp_path: Path) -> None:
    mark = tmp_path / "put-back"
    guard = Guard(["touch", str(mark)])
    guard.dismiss()
    guard.dismiss()
    assert not mark.exists()
    script = (
        "from drills.control.lab_control import Guard; import os, signal; "
        f"guard = Guard(['touch', {str(mark)!r}]); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).resolve().parents[4]
    subprocess.run([sys.executable, "-c", script], cwd=root)
    deadline = time.monotonic() + 5
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
