"""All benches, one after the other: python -m bench [--quick] [--only deploy,verify]"""

from __future__ import annotations

import os
import subprocess
import sys

from bench.command import ROOT, say
from bench.twin import KEEP, take_down

# Those that want one pair first, one lab for all of them.
EVERY = ("deploy", "verify", "failover", "build", "serve", "scale")


def main(arguments: list[str]) -> int:
    """Each in a process of its own. The exit code of the first that could not measure."""
    wanted: tuple[str, ...] = EVERY
    if "--only" in arguments:
        at = arguments.index("--only")
        wanted = tuple(arguments[at + 1].split(","))
        arguments = [*arguments[:at], *arguments[at + 2 :]]
    failed = 0
    try:
        for name in wanted:
            say(f"bench/{name}")
            done = subprocess.run(
                [sys.executable, "-m", f"bench.{name}", *arguments],
                cwd=ROOT,
                env={**os.environ, KEEP: "1"},
            )
            failed = failed or done.returncode
    finally:
        take_down()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
