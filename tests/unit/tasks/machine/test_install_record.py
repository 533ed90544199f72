"""What deploys have brought, written down by shell: here it runs, with a pretended dpkg."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tasks.machine import install_record, packages


class Record:
    """The record below a directory, and what dpkg says is installed."""

    def __init__(self, home: Path):
        self.home = home
        self._bin = home.parent / "bin"
        self._bin.mkdir()
        self.program("dpkg", "echo amd64")
        self.installed("curl", "dash")

    def program(self, name: str, text: str) -> None:
        path = self._bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def installed(self, *names: str) -> None:
        lines = "\\n".join(f"{name}:amd64 ii " for name in names)
        self.program("dpkg-query", f"printf '{lines}\\n'")

    def unreadable(self) -> None:
        self.program("dpkg-query", "echo 'dash:amd64 ii '; exit 2")

    def run(self, command: str) -> int:
        path = f"{self._bin}:{os.environ['PATH']}"
        return subprocess.run(["sh", "-c", command], env={"PATH": path}, check=False).returncode

    def packages(self) -> list[str]:
        path = self.home / "packages"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    home = tmp_path / "brought"
    monkeypatch.setattr(install_record, "HOME", str(home))
    monkeypatch.setattr(install_record, "PACKAGES", f"{home}/packages")
    monkeypatch.setattr(install_record, "BEFORE", f"{home}/before")
    return Record(home)


def begin() -> str:
    return install_record.begin_install("debian")


def end() -> str:
    return install_record.end_install("debian")


def test_what_an_install_has_added_is_written_down(record: Record) -> None:
    assert record.run(begin()) == 0
    record.installed("curl", "dash", "keepalived")
    assert record.run(end()) == 0
    assert record.packages() == ["keepalived"]
    assert [path.name for path in record.home.iterdir()] == ["packages"]


@pytest.mark.parametrize("times", [2, 3])
def test_an_install_that_has_failed_can_be_begun_again(record: Record, times: int) -> None:
    for more in ((), ("gcc",), ("gcc", "make"))[:times]:
        record.installed("curl", "dash", *more)
        assert record.run(begin()) == 0
    record.installed("curl", "dash", "gcc", "make", "keepalived")
    assert record.run(end()) == 0
    assert record.packages() == ["gcc", "keepalived", "make"], "since the first of them"


def test_what_cannot_be_listed_makes_nothing_ours(record: Record) -> None:
    """Or a teardown would take the whole machine away."""
    record.unreadable()
    assert record.run(begin()) != 0
    record.installed("curl", "dash")
    assert record.run(begin()) == 0
    record.unreadable()
    assert record.run(end()) != 0
    record.installed("curl", "dash", "keepalived")
    assert record.run(end()) == 0
    assert record.packages() == ["keepalived"]


def test_an_empty_memory_of_a_power_cut_makes_nothing_ours(record: Record) -> None:
    record.home.mkdir()
    (record.home / "before").touch()
    assert record.run(end()) == 0
    assert record.packages() == []
    (record.home / "before").touch()
    assert record.run(begin()) == 0
    record.installed("curl", "dash", "keepalived")
    assert record.run(end()) == 0
    assert record.packages() == ["keepalived"]


def test_a_package_that_was_removed_is_forgotten_and_no_other(record: Record) -> None:
    record.home.mkdir()
    listed = record.home / "packages"
    for before, after in (("curl\nkeepalived\n", ["curl"]), ("keepalived\n", [])):
        listed.write_text(before)
        assert record.run(install_record.forget_package("keepalived")) == 0
        assert record.packages() == after


def test_all_are_missing_until_an_install_is_written_down(record: Record) -> None:
    question = packages.MissingPackages().command("debian", "curl")
    record.installed("curl")
    record.program("dpkg-query", "echo 'curl ii '")
    assert record.run(f'[ -z "$({question})" ]') == 0
    record.home.mkdir()
    (record.home / "before").touch()
    assert record.run(f'[ "$({question})" = curl ]') == 0
