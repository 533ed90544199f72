"""A client process that says what nobody understands, or nothing, is an error that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drills.control.processes import child_process
from drills.control.processes.child_process import ChildProcess, ClientProcessError


class Client(ChildProcess):
    def __init__(self, script: str, directory: Path, monkeypatch: pytest.MonkeyPatch):
        (directory / "pretended_client.py").write_text(script)
        monkeypatch.setattr(child_process, "ROOT", directory)
        super().__init__("the client", "pretended_client", "{}")

    def _row(self, row: list[Any]) -> None:
        self.number = int(row[0])

    def begin(self) -> None:
        self._wait_for("ready", 5)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None


READY = "import sys; print('{\"ready\": 1}', flush=True); "


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (READY + "print('{\"cut', flush=True); sys.stdin.read()", "said what is not understood"),
        (READY + "print('[\"x\"]', flush=True); sys.stdin.read()", "ValueError: invalid literal"),
        (READY + "print('7', flush=True); sys.stdin.read()", "TypeError"),
        # (When it is told to end: sooner, it might be gone before its first word was read.)
        (READY + "sys.stdin.read(); sys.exit('no more memory')", "no more memory"),
        (READY + "sys.stdin.read()", "without a word"),
    ],
    ids=["cut", "no number", "no object", "ended", "not done"],
)
def test_what_a_client_says_last_decides(
    script: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(script, tmp_path, monkeypatch)
    client.begin()
    with pytest.raises(ClientProcessError, match=why):
        client.stop(2)
    assert client.ended


def test_a_client_that_never_begins_is_not_left_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client("import sys; print('{x', flush=True); sys.stdin.read()", tmp_path, monkeypatch)
    with pytest.raises(ClientProcessError, match="said what is not understood: JSONDecodeError"):
        client.begin()
    assert client.ended


def test_a_client_that_says_all_and_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        READY + "sys.stdin.read(); print('{\"done\": 1}', flush=True); sys.stdout.close(); "
        "import os, time; os.close(1); time.sleep(60)"
    )
    client = Client(script, tmp_path, monkeypatch)
    client.begin()
    client.stop(1)
    assert client.ended
