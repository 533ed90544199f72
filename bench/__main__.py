"""All benches, one after the other: python -m bench [--quick] [--only deploy,verify]"""

from __future__ import annotations

import os
import subprocess
import sys

from bench.machinery.bench_command import INTERRUPTED, ROOT, say
from bench.machinery.bench_lab import KEEP, take_down

# What the first one compiles the others find in its cache. A bench takes over the lab of the one
# before where that has as many machines.
EVERY = ("build", "deploy", "verify", "failover", "serve", "scale")


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
            code = _one(name, arguments)
            failed = failed or code
            if code == INTERRUPTED:
                break
    finally:
        take_down()
    return failed


def _one(name: str, arguments: list[str]) -> int:
    """Its exit code. A Ctrl-C is the bench's own business: it keeps what it has measured."""
    words = [sys.executable, "-m", f"bench.{name}", *arguments]
    bench = subprocess.Popen(words, cwd=ROOT, env={**os.environ, KEEP: "1"})
    while True:
        try:
            return bench.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
