"""What was in the places of our files: kept by the first deploy alone, and put back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tasks.machine import replaced
from tasks.machine.footprint import Footprint

OURS = Footprint("ours", files=("/etc/keepalived/keepalived.conf", "/usr/html/index.html"))


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    for path, text in {
        "etc/keepalived/keepalived.conf": "# mine",
        "etc/nginx/conf.d/my own.conf": "mine",
        "etc/nginx/conf.d/other.conf": "as it was",
        "usr/html/other.html": "mine",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "etc/keepalived/keepalived.conf").chmod(0o640)
    return tmp_path


def carried_out(machine: Path, command: str) -> None:
    for path in ("/var/lib", "/usr/lib", "cd /", "-C /"):
        there = f"{path.rstrip('/')}{machine}" if path.endswith(" /") else f"{machine}{path}"
        command = command.replace(path, there)
    subprocess.run(["sh", "-c", f"umask 022; {command}"], check=True)


def test_what_a_first_deploy_replaces_comes_back_and_what_is_there_stays(machine: Path) -> None:
    carried_out(machine, replaced.keep([OURS]))
    kept = machine / "var/lib/tandem/brought/replaced.tar"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (machine / "var/lib/tandem").stat().st_mode & 0o777 == 0o755
    configuration = machine / "etc/keepalived/keepalived.conf"
    configuration.write_text("# ours")
    carried_out(machine, replaced.keep([OURS]))  # the second deploy keeps nothing of its own
    configuration.unlink()
    (machine / "etc/nginx/conf.d/my own.conf").unlink()
    (machine / "etc/nginx/conf.d/other.conf").write_text("changed since")
    command = f"tar -C / --numeric-owner --skip-old-files -xpf {replaced.ARCHIVE}"
    carried_out(machine, command)
    assert configuration.read_text() == "# mine"
    assert configuration.stat().st_mode & 0o777 == 0o640
    assert (machine / "etc/nginx/conf.d/my own.conf").read_text() == "mine"
    assert (machine / "etc/nginx/conf.d/other.conf").read_text() == "changed since"


def test_a_machine_with_nothing_of_the_kind_is_as_bare_as_before(tmp_path: Path) -> None:
    (tmp_path / "var/lib").mkdir(parents=True)
    carried_out(tmp_path, replaced.keep([OURS]))
    assert list((tmp_path / "var/lib").iterdir()) == []
