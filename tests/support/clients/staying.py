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
    """A download and a connection with many requests on each address, for so many seconds."""

    def __init__(self, lab: Lab, seconds: float, checksum: str):
        program = str(ROOT / "tests" / "support" / "clients" / "long_lived_clients.py")
        self._running = [
            subprocess.Popen(
                lab.run_command([sys.executable, program, vip, str(seconds), checksum]),
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
        return [
            problem
            for process in self._running
            for problem in json.loads(process.communicate(timeout=60)[0])
        ]
