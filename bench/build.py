"""Compile once and ship, beside compiling on each; and a bare machine that becomes a standby.

python -m bench.build [--quick] [--repeats 5] [--hosts 30] [--report DIR]
"""

from __future__ import annotations

import shutil

from bench.machinery.bench_command import Measurements, Options, progress, run_bench
from bench.machinery.bench_lab import ARTIFACTS, TimedRun, Twin, durations, lab_of
from bench.report.bench_result import Comparison, at_most

REPLACED_LIMIT_S = 30.0
MANY_PAIRS = 3


def measure(options: Options, measured: Measurements) -> None:
    """Measure the compile times by `build_on`, and the time to replace a standby."""
    with lab_of(1) as twin:
        if not options.quick:
            measured.rows.append(_once_or_on_each(twin, options.repeats))
        measured.rows.append(_replaced(twin, options.repeats))
    if options.may_have(MANY_PAIRS):
        with lab_of(MANY_PAIRS) as twin:
            measured.rows.append(_once_or_on_each(twin, options.repeats))


def _once_or_on_each(twin: Twin, repeats: int) -> Comparison:
    runs = [(_compiled(twin, "one"), _compiled(twin, "each")) for _ in range(repeats)]
    once, each = zip(*runs, strict=True)
    return Comparison(
        f"{len(twin.names)} bare hosts, nothing cached",
        durations("once", once),
        durations("on each", each),
        note="All machines share this machine's CPUs.",
    )


def _compiled(twin: Twin, build_on: str) -> TimedRun:
    progress(f"{len(twin.names)} bare machines, build_on={build_on}")
    twin.wipe()
    for cache in (twin.lab.state.root / "artifacts", ARTIFACTS):
        if cache.is_dir():
            shutil.rmtree(cache)
    return twin.deploy(f"build_on={build_on}")


def _replaced(twin: Twin, repeats: int) -> Comparison:
    """The time until a bare machine of a known platform has become a standby."""
    twin.deploy()
    twin.wait_until_healthy()
    runs = []
    for _ in range(repeats):
        progress("Replacing the standby by a bare machine")
        twin.wipe(twin.names[1])
        runs.append(twin.deploy())
        twin.wait_until_healthy()
    return Comparison(
        "a bare machine becomes a standby, from the cache",
        durations("Tandem", runs),
        goal=at_most(REPLACED_LIMIT_S),
        note="From the first connection until it may hold the VIP; packages included.",
    )


if __name__ == "__main__":
    run_bench("compiled once, compiled on each, taken from the cache", measure)
