"""Runs Tandem's own commands (deploy.py and others) during a drill, as a person types them.

They get the arguments that drill.py was started with: the same inventory, the same `--data`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drills.control.machines import MachineError
from settings.run_options import RunOptions

DRILL = "drill.py"
# A compilation is the longest that any of them takes.
TIMEOUT_S = 600.0
TERM_S = 5.0
ERROR_LINES = 12


@dataclass(frozen=True)
class CommandLine:
    """A command line of pyinfra. `words`: arguments of drill.py that other commands take, too."""

    words: tuple[str, ...]
    directory: Path = Path()

    def of(self, operation: str, *data: str) -> list[str]:
        """What runs `operation` (deploy.py) on the same machines, with more `--data`."""
        more = [word for item in data for word in ("--data", item)]
        where = str(self.directory / operation)
        return [sys.executable, "-m", "pyinfra", "-y", *self.words, where, *more]


def command_line(arguments: list[str]) -> CommandLine:
    """The command line for other commands, out of the arguments that drill.py was started with."""
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
    return CommandLine(tuple(words), directory)


class Commands:
    """Runs commands, one at a time. None outlives this process."""

    def __init__(self, line: CommandLine):
        self._line = line
        self._running: subprocess.Popen[str] | None = None

    def run(self, operation: str, *data: str, timeout_s: float = TIMEOUT_S) -> None:
        """Raises `MachineError` when it fails, with the last lines that it printed."""
        command = " / ".join([operation, *data])
        self.execute(command, self.arguments(operation, *data), timeout_s=timeout_s)

    def execute(
        self,
        name: str,
        arguments: Sequence[str],
        directory: str = ".",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """The same for a command that is given whole. `name`: what messages call it."""
        with self._started(arguments, directory) as process:
            try:
                output, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                raise MachineError(f"{name}: not done in {timeout_s:.0f} s") from None
        if process.returncode:
            lines = [line.rstrip() for line in output.splitlines() if line.strip()]
            raise MachineError(
                f"{name}: exit {process.returncode}: " + "\n".join(lines[-ERROR_LINES:])
            )

    @contextlib.contextmanager
    def _started(self, arguments: Sequence[str], directory: str) -> Iterator[subprocess.Popen[str]]:
        self._running = process = subprocess.Popen(
            # It ends with this process, however that ends: nobody would wait for it any more.
            ["setpriv", "--pdeathsig", "TERM", "--", *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYINFRA_PROGRESS": "off", "NO_COLOR": "1"},
            # A Ctrl-C is for the drill, which ends this command when it can.
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
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TERM_S)
                return

    def arguments(self, operation: str, *data: str) -> list[str]:
        """The command as `run` runs it, and as a guard may, or a person."""
        return self._line.of(operation, *data)
