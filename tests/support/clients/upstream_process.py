"""An application behind nginx, inside the lab's network, which may die and come back."""

from __future__ import annotations

import subprocess
import sys

from lab.twin import Lab
from tests.support.lab.deployment import ROOT


class UpstreamProcess:
    """`tests.support.clients.upstream` at an address of the lab's own end of the network.

    `more`: its further words. `words`: another of these clients, with its words.
    """

    def __init__(self, lab: Lab, address: str, port: int, *more: str, words: tuple[str, ...] = ()):
        self._lab = lab
        self._words = words or ("upstream", address, str(port), f"app{port}", *more)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        name, *more = self._words
        self._process = subprocess.Popen(
            self._lab.run_command([sys.executable, "-m", f"tests.support.clients.{name}", *more]),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
