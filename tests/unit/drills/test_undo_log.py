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

from drills.conduct.interrupts import Interrupted, delivered, shielded
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


def test_a_guard_acts_when_its_process_dies_and_only_then(tmp_path: Path) -> None:
    mark = tmp_path / "put-back"
    guard = Guard(["touch", str(mark)])
    guard.dismiss()
    assert not mark.exists()
    script = (
        "from drills.control.lab_control import Guard; import os, signal; "
        f"guard = Guard(['touch', {str(mark)!r}]); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", script], cwd=root)
    deadline = time.monotonic() + 5
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
