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
    command: Sequence[str | Path], *, cgroup: Path, log: Path, env: Mapping[str, str] = {}
) -> None:
    """Start a process of the lab, detached, in a cgroup of its own, its output going to `log`.

    The process joins the cgroup before it becomes the command, so that whatever it starts is
    found, and ended, with it.
    """
    join = 'echo 0 > "$0/cgroup.procs" && exec "$@"'
    with log.open("ab") as output:
        subprocess.Popen(
            ["sh", "-c", join, cgroup, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **env},
        )


def tail(log: Path, lines: int = 8) -> str:
    """The end of a log, for an error's text."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
