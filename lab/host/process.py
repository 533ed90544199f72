"""Commands: run one and say what went wrong, or start one that outlives this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError


def run(command: Sequence[str | Path], *, stdin: str = "", env: Mapping[str, str] = {}) -> str:
    """The command's standard output; a failure is a `LabError` with what the command said."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, input=stdin, text=True, capture_output=True, env={**os.environ, **env}
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit {done.returncode}"
        raise LabError(f"`{' '.join(words)}` failed: {said}")
    return done.stdout


def start(
    command: Sequence[str | Path],
    *,
    cgroup: Path,
    log: Path,
    directory: Path,
    env: Mapping[str, str] = {},
) -> None:
    """Start a process of the lab, detached, in `directory`; what it says goes to `log`.

    It is in `cgroup` before it becomes the command and before this returns, so that it and
    whatever it starts is found, and ended, there.
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
    """The end of a log, for an error's text."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
