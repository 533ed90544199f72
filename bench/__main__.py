"""All benches, one after the other; the options other than --only are those of each bench.

python -m bench [--quick] [--only deploy,verify] [--repeats 5] [--hosts 30] [--report DIR]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from bench.machinery.bench_command import (
    INTERRUPTED,
    ROOT,
    CannotMeasure,
    option_parser,
    tell,
)
from bench.machinery.bench_lab import KEEP, take_down
from lab.errors import LabError

# In this order: `build` fills the artifact cache for the others, and a bench reuses the lab of the
# one before if it has as many machines.
NAMES = ("build", "deploy", "verify", "failover", "crash", "serve", "overload", "scale", "spread")


def main(arguments: list[str]) -> int:
    """Run each bench in its own process; the exit code of the first that could not measure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Run all benches, one after the other.",
        parents=[option_parser()],
    )
    parser.add_argument("--only", type=_names, default=NAMES, help=f"some of {','.join(NAMES)}")
    given = parser.parse_args(arguments)
    passed_on = [
        *(["--quick"] if given.quick else []),
        *("--repeats", str(given.repeats), "--hosts", str(given.hosts)),
        *("--report", str(given.report)),
    ]
    failed = 0
    try:
        for name in given.only:
            tell(f"bench/{name}")
            code = _run(name, passed_on)
            failed = failed or code
            if code == INTERRUPTED:
                break
    finally:
        left = _put_away()
    return failed or left


def _put_away() -> int:
    """Take the benches' lab down; 1 where that fails, which hides nothing that came before."""
    try:
        take_down()
    except (CannotMeasure, LabError, OSError) as error:
        tell(f"The lab was not taken down: {error}")
        return 1
    return 0


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := ", ".join(name for name in names if name not in NAMES):
        raise argparse.ArgumentTypeError(f"there is no bench {unknown}")
    return names


def _run(name: str, arguments: list[str]) -> int:
    """The exit code of a bench. It handles Ctrl-C itself and keeps what it has measured."""
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    bench = subprocess.Popen(command, cwd=ROOT, env={**os.environ, KEEP: "1"})
    while True:
        try:
            return bench.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
