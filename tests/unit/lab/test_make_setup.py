"""`make setup` on a machine that has nothing but Python and make."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fakes import ROOT

APT = '#!/bin/sh\necho "$*" >>"$CALLS"\necho "E: the mirror is away"\nexit "$CODE"\n'


class BareMachine:
    """A checkout whose Python packages are installed, and a PATH without what the lab needs."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._calls = directory, directory / "calls"
        for name in ("Makefile", "lab", "report", "requirements-dev.lock", "pyproject.toml"):
            (directory / name).symlink_to(ROOT / name)
        (directory / ".venv").mkdir()
        (directory / ".venv/.installed").touch()
        (directory / "bin").mkdir()
        (directory / "bin/python3").symlink_to(Path(sys.executable).resolve())
        for name in ("bash", "sh", "make", "env", "id"):
            (directory / "bin" / name).symlink_to(str(shutil.which(name)))
        for name, text in (("apt-get", APT), ("sudo", '#!/bin/sh\nexec "$@"\n')):
            (directory / "bin" / name).write_text(text)
            (directory / "bin" / name).chmod(0o755)

    def setup(self, code: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "setup"],
            cwd=self._directory,
            env={
                "PATH": str(self._directory / "bin"),
                "CALLS": str(self._calls),
                "CODE": str(code),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def asked(self) -> list[str]:
        """What apt-get was asked to do."""
        return self._calls.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> BareMachine:
    return BareMachine(tmp_path)


def test_it_says_once_what_it_installs(machine: BareMachine) -> None:
    done = machine.setup(0)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    (said,) = done.stderr.splitlines()
    packages = said.removeprefix("Installing Debian packages: ")
    assert {"mmdebstrap", "nftables", "gnupg"} <= set(packages.split())
    assert machine.asked == ["update -qq", f"install -qq --no-install-recommends {packages}"]


def test_where_it_fails_one_sees_why(machine: BareMachine) -> None:
    done = machine.setup(100)
    assert done.returncode == 2
    assert "\nE: the mirror is away\n" in done.stderr
    assert "Debian has failed (exit code 100)" in done.stderr
