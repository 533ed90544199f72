"""Run a command to its end, or start one that outlives this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError


def run(command: Sequence[str | Path], *, stdin: str = "", env: Mapping[str, str] = {}) -> str:
    """The command's standard output. Raises `LabError` with its error output if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, input=stdin, text=True, capture_output=True, env={**os.environ, **env}
    )
    if done.returncode:
        output = (done.stderr or done.stdout).strip() or f"exit {done.returncode}"
        raise LabError(f"`{' '.join(words)}` failed: {output}")
    return done.stdout


def start(
    command: Sequence[str | Path],
    *,
    cgroup: Path,
    log: Path,
    directory: Path,
    env: Mapping[str, str] = {},
) -> None:
    """Start a detached process of the lab in `directory`; its output is appended to `log`.

    It joins `cgroup` before it executes the command, so that it and its children can be found and
    killed there.
    """
    with (
        log.open("ab") as output,
        subprocess.Popen(
            ["sh", "-c", 'read -r go && exec setsid --fork "$@" < /dev/null', "sh", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=directory,
            env={**os.environ, **env},
        ) as starter,
    ):
        (cgroup / "cgroup.procs").write_text(str(starter.pid))
        starter.communicate(b"go\n")


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, for an error message; "" without a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
