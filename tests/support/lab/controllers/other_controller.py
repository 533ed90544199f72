"""Runs of pyinfra beside a test's own: another controller at the same machines."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.twin import Lab
from tests.support.lab.deployment import PYINFRA, ROOT, Done
from tests.support.lab.pair import wait_until


class OtherController:
    """A run of pyinfra beside the test's own."""

    def __init__(self, lab: Lab, output: Path, command: tuple[str, ...], cwd: Path):
        self._output = output
        with output.open("w") as file:
            self.process = subprocess.Popen(
                lab.run_command(command),
                cwd=cwd,
                env=lab.environment(),
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)

    def ended(self) -> Done:
        return subprocess.CompletedProcess("", self.process.wait(90), self.said())

    def said(self) -> str:
        return self._output.read_text()


@contextmanager
def beside(
    lab: Lab,
    directory: Path,
    *words: str,
    cwd: Path = ROOT,
    program: tuple[str, ...] = (PYINFRA,),
) -> Iterator[OtherController]:
    """Another run, which does not outlive the test. `directory`: for its output."""
    output = directory / f"{len(list(directory.iterdir()))}.log"
    other = OtherController(lab, output, (*program, *words), cwd)
    try:
        yield other
    finally:
        if other.process.poll() is None:
            other.signal(signal.SIGKILL)
            other.process.wait()


@contextmanager
def asked(lab: Lab, directory: Path, *words: str, cwd: Path = ROOT) -> Iterator[OtherController]:
    """A run that has the lock, and waits for a person who never agrees to its change."""
    # (Where nothing would change, nobody is asked.)
    with beside(lab, directory, *words, "--data", "keepalive_timeout_s=77", cwd=cwd) as other:
        assert wait_until(lambda: "Press enter" in other.said(), 60), other.said()
        yield other
