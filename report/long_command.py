"""Run commands side by side, each a part of the live line: python3 -m report.long_command STAGE
NAME=COMMAND...

Each COMMAND is one for the shell; what it prints last is how far it is. What one that fails has
printed is shown, and the exit code is its. Python's own modules are enough for this: setup runs it
before there is any other.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from report import live_line


class LongCommand(NamedTuple):
    """A part's name, and its command for the shell."""

    name: str
    command: str

    def run(self) -> tuple[int, str]:
        """Its exit code, and what it has printed."""
        lines: list[str] = []
        with subprocess.Popen(
            ["/bin/sh", "-c", self.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                lines.append(line)
                live_line.part(line.strip() or "...", self.name)
        live_line.part("", self.name)
        return process.returncode, "".join(lines)


def main(stage: str, given: list[str]) -> int:
    """Run what is `given`; the exit code of the first that fails."""
    commands = [LongCommand(*each.split("=", 1)) for each in given]
    live_line.begin(stage)
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(LongCommand.run, commands))
    live_line.end()
    for (name, _), (code, printed) in zip(commands, done, strict=True):
        if code:
            live_line.say(f"{printed.rstrip()}\n{stage}: {name} has failed (exit code {code}).")
            return code
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except KeyboardInterrupt:  # which has ended the commands, too
        sys.exit(130)
