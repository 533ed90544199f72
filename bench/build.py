"""Compile once and ship, against compiling on each; and a bare machine that becomes a standby.

python -m bench.build [--quick] [--repeats 5] [--hosts 30] [--report DIR]
"""

from __future__ import annotations

import shutil
import sys

from bench.machinery.bench_command import Measured, Options, conduct, options, say
from bench.machinery.bench_lab import ARTIFACTS, Run, Twin, lab_of, took
from bench.report.measured import Row, at_most

NAME = "build"
TITLE = "compiled once, compiled on each, taken from the cache"
REPLACED_LIMIT_S = 30.0
MANY_PAIRS = 3


def measure(given: Options, found: Measured) -> None:
    with lab_of(1) as twin:
        if not given.quick:
            found.rows.append(_once_or_on_each(twin, given.repeats))
        found.rows.append(_replaced(twin, given.repeats))
    if given.may_have(MANY_PAIRS):
        with lab_of(MANY_PAIRS) as twin:
            found.rows.append(_once_or_on_each(twin, given.repeats))


def _once_or_on_each(twin: Twin, repeats: int) -> Row:
    runs = [(_compiled(twin, "one"), _compiled(twin, "each")) for _ in range(repeats)]
    once, each = zip(*runs, strict=True)
    return Row(
        f"{len(twin.names)} bare hosts, nothing cached",
        took("once", once),
        took("on each", each),
        note="All machines share this machine's CPUs.",
    )


def _compiled(twin: Twin, build_on: str) -> Run:
    say(f"{len(twin.names)} bare machines, compiled: {build_on}")
    twin.wipe()
    for cache in (twin.lab.state.root / "artifacts", ARTIFACTS):
        if cache.is_dir():
            shutil.rmtree(cache)
    return twin.deploy(f"build_on={build_on}")


def _replaced(twin: Twin, repeats: int) -> Row:
    """A standby that died is replaced by a bare machine of a known platform."""
    twin.deploy()
    twin.settle()
    runs = []
    for _ in range(repeats):
        say("A bare machine in the standby's place")
        twin.wipe(twin.names[1])
        runs.append(twin.deploy())
        twin.settle()
    return Row(
        "a bare machine becomes a standby, from the cache",
        took("Tandem", runs),
        goal=at_most(REPLACED_LIMIT_S),
        note="From the first connection until it may hold the VIP; packages included.",
    )


if __name__ == "__main__":
    sys.exit(conduct(NAME, TITLE, measure, options()))
