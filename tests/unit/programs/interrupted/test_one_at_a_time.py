"""Programs that change a machine, one at a time: who is there first is waited for, and named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import fakes, programs

undisturbed = programs.load("common.undisturbed")
FILES = fakes.ROOT / "files"
# Holds the lock while a command runs.
HOLDER = """
import subprocess, sys
from common.undisturbed import exclusively
with exclusively(sys.argv[1]):
    print(flush=True)
    subprocess.run(sys.argv[2:])
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undisturbed, "SAYS_EVERY_S", 0.2)


@contextmanager
def held(lock: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-c", HOLDER, str(lock), *command]
    environment = {**os.environ, "PYTHONPATH": str(FILES)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout
        holder.stdout.readline()
        try:
            yield holder
        finally:
            holder.kill()


def test_who_is_at_work_is_waited_for_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        held(tmp_path / "lock", "sleep", "1") as holder,
        undisturbed.exclusively(tmp_path / "lock"),
    ):
        assert holder.wait(timeout=5) == 0
    said = capsys.readouterr().err.splitlines()
    assert said and all(line.startswith("waiting: ") for line in said)
    assert f"(process {holder.pid}), at most " in said[0]


@pytest.mark.parametrize("which", ["it", "what it has started"])
def test_who_was_stopped_is_told_to_go_on(
    which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stops_itself = ("sh", "-c", "kill -STOP $$")
    command = ("true",) if which == "it" else stops_itself
    with held(tmp_path / "lock", "sh", "-c", 'sleep 0.3; exec "$@"', "sh", *command) as holder:
        if which == "it":
            holder.send_signal(signal.SIGSTOP)
        with undisturbed.exclusively(tmp_path / "lock"):
            assert holder.wait(timeout=5) == 0
    assert "stopped: it is told to go on" in capsys.readouterr().err


def test_who_does_not_end_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undisturbed, "WAIT_S", 0.5)
    lock = tmp_path / "lock"
    with held(lock, "sleep", "60") as holder, pytest.raises(undisturbed.Busy) as refused:  # noqa: SIM117
        with undisturbed.exclusively(lock):
            pytest.fail("two at once")
    assert f"end it (kill -9 {holder.pid}), and deploy again" in str(refused.value)
    assert lock.read_text() == f"{holder.pid}\n", "whoever waits does not take its name away"
