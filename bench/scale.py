"""Tandem with 2 to 30 machines, in pairs.

    python -m bench.scale [--quick] [--repeats 5] [--hosts 30] [--report DIR]

A deploy that changes nothing, one that changes a setting, and the verifier: time, the controller's
memory and CPU, and the round trips to each machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.machinery.bench_command import Measurements, Options, progress, run_bench
from bench.machinery.bench_lab import INVENTORY, TimedRun, Twin, durations, lab_of
from bench.report.bench_result import Comparison, Series, at_most

PAIRS = (1, 3, 5, 10, 15)
TRIPS_DEPLOY, TRIPS_VERIFY = 40.0, 3.0
VERIFY_LIMITS_S = {2: 2.0, 20: 4.0}


def measure(options: Options, measured: Measurements) -> None:
    """Measure deploys and verifier runs by number of machines."""
    sizes = [pairs for pairs in PAIRS if options.may_have(pairs)]
    measured.notes.append(
        f"All {2 * max(sizes)} machines run from the first measurement to the last; an inventory "
        "has so many of them."
    )
    quiet: dict[int, list[TimedRun]] = {}
    verified: dict[int, list[TimedRun]] = {}
    with lab_of(max(sizes)) as whole, tempfile.TemporaryDirectory() as directory:
        progress(f"{len(whole.names)} machines: the first deploy")
        whole.deploy()
        whole.wait_until_healthy()
        for pairs in sizes:
            twin = Twin(whole.lab, pairs)
            size = len(twin.names)
            progress(f"{size} machines")
            quiet[size] = [twin.deploy() for _ in range(options.repeats)]
            verified[size] = [twin.verify() for _ in range(options.repeats)]
            changed = [
                twin.deploy(f"keepalive_timeout_s={50 + index}") for index in range(options.repeats)
            ]
            twin.deploy()
            memory = Series("Tandem", "MB", tuple(round(run.memory_mb, 1) for run in quiet[size]))
            limit = VERIFY_LIMITS_S.get(size)
            measured.rows += [
                Comparison(f"{size} hosts, deploy, no change", durations("Tandem", quiet[size])),
                Comparison(
                    f"{size} hosts, deploy, one setting changed", durations("Tandem", changed)
                ),
                Comparison(
                    f"{size} hosts, verify",
                    durations("Tandem", verified[size]),
                    goal=None if limit is None else at_most(limit),
                ),
                Comparison(f"{size} hosts, the controller's memory, deploy", memory),
                *_trips(twin, Path(directory), size),
            ]
    if len(sizes) > 1:
        measured.notes += [
            _slope("a deploy without change", quiet),
            _slope("the verifier", verified),
            "All machines share this machine's CPUs with the controller.",
        ]


def _trips(twin: Twin, directory: Path, size: int) -> list[Comparison]:
    """Round trips per machine, of a deploy without change and of the verifier."""
    rows = []
    for name, words, limit in (
        ("deploy, no change", ["-y", INVENTORY, "deploy.py"], TRIPS_DEPLOY),
        ("verify", [INVENTORY, "verify.py"], TRIPS_VERIFY),
    ):
        counts = directory / "trips.json"
        counting = ["-m", "bench.machinery.round_trips", str(counts)]
        twin.run([sys.executable, *counting, *twin.parallel, *words])
        by_machine: dict[str, int] = json.loads(counts.read_text())
        trips = Series("Tandem", "round trips", tuple(map(float, by_machine.values())))
        rows.append(
            Comparison(f"{size} hosts, round trips per host, {name}", trips, goal=at_most(limit))
        )
    return rows


def _slope(what: str, runs: dict[int, list[TimedRun]]) -> str:
    """The time that one more machine costs, and the CPU time on the controller and the machines."""
    low, high = min(runs), max(runs)

    def each_ms(figure: Callable[[TimedRun], float]) -> str:
        few, many = (median(map(figure, runs[size])) for size in (low, high))
        return f"{(many - few) / (high - low) * 1000:.0f} ms"

    return (
        f"A machine more ({low} to {high}) costs {what} {each_ms(lambda run: run.seconds)}: "
        f"{each_ms(lambda run: run.cpu_s)} of the controller's CPU, "
        f"{each_ms(lambda run: run.machines_cpu_s)} of the machines'."
    )


if __name__ == "__main__":
    run_bench("two machines, and many", measure)
