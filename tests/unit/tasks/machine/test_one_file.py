"""The commands that put a file in its place, carried out by a shell as a machine's is."""

from __future__ import annotations

import base64
import os
import pwd
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from controller import run_changes
from controller.ssh.machine_connector import BYTES_PER_S, LIMIT_S
from tasks.machine import one_file

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(autouse=True)
def nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(DIFF=False)
    monkeypatch.setattr(one_file, "host", SimpleNamespace(state=SimpleNamespace(config=config)))
    monkeypatch.setattr(one_file, "state_of", lambda path: None)
    monkeypatch.setattr(one_file, "_note", lambda path, state: None)
    monkeypatch.setattr(run_changes, "is_planning", lambda: False)


def placed(path: Path, content: bytes, *, arrives: bytes | None = None, **arguments: Any) -> str:
    """Carry out what `write` yields, as a connector does: what the first that fails has said.

    + arrives: what is uploaded instead of `content`.
    """
    given = {"user": ME, "group": ME} | arguments
    # Without what an operation does around it.
    commands = one_file.write._inner.__wrapped__(str(path), content, **given)  # type: ignore[attr-defined]
    for command in commands:
        fed = command.connector_arguments.get("_stdin", "")
        if fed and arrives is not None:
            fed = base64.b64encode(arrives).decode()
        shell = ["sh", "-c", command.get_raw_value()]
        done = subprocess.run(shell, input=fed, capture_output=True, text=True)
        if done.returncode:
            return str(done.stderr)
    return ""


def test_a_file_is_there_whole_with_its_mode_and_nothing_is_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "of its own" / "it's"
    path.parent.mkdir()
    (path.parent / ".it's.0123.new").write_text("left by a run that was cut off")
    assert not placed(path, b"new\n", mode="640", check="grep -q new {new}")
    assert path.read_bytes() == b"new\n"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"check": "echo 'line 3: unknown directive'; false"}, "line 3: unknown directive"),
        ({"arrives": b"ne"}, "What has arrived is not what was sent"),
        ({"group": "no-such-group"}, "no-such-group"),
    ],
)
def test_what_is_not_as_it_should_be_changes_nothing(
    tmp_path: Path, given: dict[str, Any], says: str
) -> None:
    path = tmp_path / "it"
    path.write_text("old\n")
    assert says in placed(path, b"new\n", **given)
    assert path.read_text() == "old\n"


def test_where_it_cannot_be_one_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = placed(tmp_path / "file" / "it", b"new\n")
    assert "Make room there, or see why it is read-only: then deploy again." in said


def test_a_large_file_has_the_time_that_a_slow_connection_needs() -> None:
    """Until all of it is there the machine says nothing, and would be given up."""
    small, large = (one_file.fed(bytes(size), "cat") for size in (10, 6_000_000))
    assert small.connector_arguments["_timeout"] == LIMIT_S
    assert large.connector_arguments["_timeout"] > LIMIT_S + 6_000_000 / BYTES_PER_S
