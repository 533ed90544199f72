"""The command `lab` where its Python packages or its lab are missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab import __main__ as command

# Stands for an environment without the extra: both packages are invisible to imports.
WITHOUT_EXTRA = """
import sys

class Invisible:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("aiosmtpd", "typer"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Invisible)
"""


def test_without_the_extra_the_command_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "typer" else object())
    with pytest.raises(SystemExit, match=r"missing: typer\..*pip install -e '\.\[lab\]'"):
        command.main()


@pytest.mark.parametrize(
    "module", ["lab.lifecycle", "drills.control.lab_control", "drills.drill_run", "verify"]
)
def test_without_the_extra_everything_but_the_command_line_can_be_imported(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{WITHOUT_EXTRA}\nimport {module}"],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
