"""Clients that stay while the address moves: longlived.py, started for each address."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from lab.twin import Lab
from tests.support.lab.deployment import ROOT

VIPS = ("172.16.12.254", "fd61:1::254")


class Clients:
    """A download and a connection with many requests on each address, for so many seconds, or
    until their problems are asked for."""

    def __init__(self, lab: Lab, seconds: float, checksum: str):
        program = ("-m", "tests.support.clients.long_lived_clients")
        self._running = [
            subprocess.Popen(
                lab.run_command([sys.executable, *program, vip, str(seconds), checksum]),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for vip in VIPS
        ]
        for process in self._running:
            assert process.stdout and process.stdout.readline() == "running\n"
        time.sleep(0.3)  # connected, and under way

    @property
    def run(self) -> bool:
        return all(process.poll() is None for process in self._running)

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    def problems(self) -> list[str]:
        """What went wrong, once each has come to its end, which they are told to."""
        for process in self._running:
            assert process.stdin
            process.stdin.close()
        return self.problems_of_themselves()

    def problems_of_themselves(self) -> list[str]:
        """The same where they end without being told."""
        said = []
        for process in self._running:
            assert process.stdout
            said.append(process.stdout.read())
            process.wait(timeout=60)
        return [problem for each in said for problem in json.loads(each)]
