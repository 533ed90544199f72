"""Tandem's own commands as a person types them, run beside a drill: deploy.py and its like.

They get the words that drill.py was started with: the same inventory, the same `--data`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drills.control.lab_control import Guard
from drills.control.machines import MachineError
from settings.run_options import RunOptions

DRILL = "drill.py"
# A compilation is the longest that any of them takes.
TIMEOUT_S = 600.0
TERM_S = 5.0
TOLD_LINES = 12


@dataclass(frozen=True)
class Line:
    """A command line of pyinfra. `words`: all that drill.py was told and others understand, too."""

    words: tuple[str, ...]
    directory: Path = Path()

    def of(self, operation: str, *data: str) -> list[str]:
        """What runs `operation` (deploy.py) on the same machines, with more `--data`."""
        more = [word for item in data for word in ("--data", item)]
        where = str(self.directory / operation)
        return [sys.executable, "-m", "pyinfra", "-y", *self.words, where, *more]


def line(arguments: list[str]) -> Line:
    """Out of the words that drill.py was started with, those that any other command takes."""
    words: list[str] = []
    directory = Path()
    rest = iter(arguments)
    for word in rest:
        option, given, value = word.partition("=")
        if option == "--data":
            pair = value if given else next(rest, "")
            if pair.partition("=")[0] not in RunOptions.model_fields:
                words += ["--data", pair]
        elif Path(word).name == DRILL:
            directory = Path(word).parent
        elif word not in ("-y", "--yes"):
            words.append(word)
    return Line(tuple(words), directory)


class Commands:
    """Runs them, one at a time. None outlives this process."""

    def __init__(self, line: Line):
        self._line = line
        self._running: subprocess.Popen[str] | None = None

    def run(self, operation: str, *data: str, timeout_s: float = TIMEOUT_S) -> str:
        """What it printed. Raises `MachineError` when it fails, with the end of that."""
        with self._started(operation, *data) as process:
            try:
                said, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                raise MachineError(f"{operation}: not done in {timeout_s:.0f} s") from None
        if process.returncode:
            lines = [line.rstrip() for line in said.splitlines() if line.strip()]
            told = " / ".join([operation, *data])
            raise MachineError(
                f"{told}: exit {process.returncode}: " + "\n".join(lines[-TOLD_LINES:])
            )
        return said

    @contextlib.contextmanager
    def _started(self, operation: str, *data: str) -> Iterator[subprocess.Popen[str]]:
        self._running = process = subprocess.Popen(
            # Whatever ends this process ends that one, too: nobody would wait for it any more.
            ["setpriv", "--pdeathsig", "TERM", "--", *self._line.of(operation, *data)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYINFRA_PROGRESS": "off", "NO_COLOR": "1"},
            # A Ctrl-C is for the drill, which ends this in its own time.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            self.kill()

    def kill(self) -> None:
        """End what runs, if anything does."""
        process, self._running = self._running, None
        if process is None or process.poll() is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            deadline = time.monotonic() + TERM_S
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            if process.poll() is not None:
                return

    def guard(self, operation: str, *data: str) -> Guard:
        """Runs the command should this process die."""
        return Guard(self._line.of(operation, *data))
