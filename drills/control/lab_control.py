"""Cables and power switches of machines, which only the lab has."""

from __future__ import annotations

import subprocess
import sys
from shlex import join
from typing import TYPE_CHECKING

from gevent.lock import Semaphore

if TYPE_CHECKING:
    from lab.twin import Lab


def lab_here() -> Lab | None:
    """The lab that this process runs inside; None outside of any."""
    import settings

    if not settings.IN_LAB:
        return None
    from lab.twin import Lab

    return Lab.load()


class Guard:
    """Runs a command when this process dies without having called `dismiss`."""

    def __init__(self, command: list[str]):
        # Its input ends when this process does, in whatever way.
        self._process = subprocess.Popen(
            ["sh", "-c", f"read -r done || exec {join(command)}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        self._process.communicate(b"done\n")


class LabControl:
    """What can be done to the lab's machines from outside, by their names."""

    def __init__(self, lab: Lab):
        self.twin = lab
        # The lab's own lock would block this whole process, with the greenlet that holds it.
        self._turn = Semaphore()

    @staticmethod
    def guard(*words: str) -> Guard:
        return Guard([sys.executable, "-m", "lab", *words])

    def power_off(self, name: str) -> None:
        with self._turn:
            self.twin.power_off(name)

    def power_on(self, name: str) -> None:
        """It boots while this returns."""
        from lab.guests import guest
        from lab.twin import locked

        machine = self.twin.machine(name)
        with self._turn, locked(self.twin.state):
            if not guest.is_on(self.twin.plan, machine):
                guest.power_on(self.twin.state, self.twin.plan, machine)

    def outside(self, name: str, script: str) -> list[str]:
        """The command that runs `script` in a machine's network, with the programs of this host."""
        from lab.host import bridge

        return [*bridge.inside(self.twin.machine(name).netns), "sh", "-c", script]
