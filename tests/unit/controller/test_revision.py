"""Which revision is deployed, and by whom."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from controller import revision


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    git(root, "init", "-q")
    (root / "file").write_text("one")
    git(root, "add", "file")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one")
    return root


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_checkout_is_described_and_called_dirty(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as a hook of git has it
    revision.describe.cache_clear()
    found = revision.describe(checkout)
    monkeypatch.delenv("GIT_DIR")
    assert found == git(checkout, "describe", "--always")
    (checkout / "file").write_text("two")
    revision.describe.cache_clear()
    assert revision.describe(checkout) == f"{found}-dirty"


def test_outside_git_it_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = checkout / "copied"  # a copy without its history, in another's repository
    inside.mkdir()
    revision.describe.cache_clear()
    assert revision.describe(inside) == "unknown"
    monkeypatch.setenv("PATH", "/nowhere")
    revision.describe.cache_clear()
    assert revision.describe(checkout) == "unknown"
    revision.describe.cache_clear()


def test_the_operator_is_who_logged_in_and_from_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "deployer")
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.1 22")
    revision.operator.cache_clear()
    assert revision.operator() == "deployer@192.0.2.7"
    monkeypatch.delenv("SSH_CONNECTION")
    revision.operator.cache_clear()
    assert revision.operator() == f"deployer@{revision.controller()}"
    revision.operator.cache_clear()
