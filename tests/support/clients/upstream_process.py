"""An application behind nginx, inside the lab's network, which may die and come back."""

from __future__ import annotations

import subprocess
import sys

from lab.twin import Lab
from tests.support.lab.deployment import ROOT


class UpstreamProcess:
    """`tests.support.clients.upstream` at an address of the lab's own end of the network."""

    def __init__(self, lab: Lab, address: str, port: int):
        self._lab, self._address, self._port = lab, address, port
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        module = "tests.support.clients.upstream"
        words = [sys.executable, "-m", module, self._address, str(self._port), f"app{self._port}"]
        self._process = subprocess.Popen(
            self._lab.run_command(words), cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
