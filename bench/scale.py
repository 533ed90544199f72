"""Tandem against its own growth: 2 to 30 machines in pairs.

    python -m bench.scale [--quick] [--repeats 5] [--hosts 30] [--report DIR]

A deploy that changes nothing, one that changes a setting, and the verifier: time, the controller's
memory and CPU, and how often each machine is asked.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.machinery.bench_command import ROOT, Measured, Options, conduct, options, say
from bench.machinery.bench_lab import INVENTORY, Run, Twin, lab_of, took
from bench.report.measured import Goal, Row, Series, at_most

NAME = "scale"
TITLE = "two machines, and many"
PAIRS = (1, 3, 5, 10, 15)
TRIPS_DEPLOY, TRIPS_VERIFY = 40.0, 3.0
VERIFY_LIMITS_S = {2: 2.0, 20: 4.0}


def measure(given: Options, found: Measured) -> None:
    sizes = [pairs for pairs in PAIRS if given.may_have(pairs)]
    found.notes.append(
        f"All {2 * max(sizes)} machines run from the first measurement to the last; an inventory "
        "has so many of them."
    )
    quiet: dict[int, list[Run]] = {}
    verified: dict[int, list[Run]] = {}
    with lab_of(max(sizes)) as whole, tempfile.TemporaryDirectory() as directory:
        say(f"{len(whole.names)} machines: the first deploy")
        whole.deploy()
        whole.settle()
        for pairs in sizes:
            twin = Twin(whole.lab, pairs)
            size = len(twin.names)
            say(f"{size} machines")
            quiet[size] = [twin.deploy() for _ in range(given.repeats)]
            verified[size] = [twin.verify() for _ in range(given.repeats)]
            changed = [
                twin.deploy(f"keepalive_timeout_s={50 + place}") for place in range(given.repeats)
            ]
            twin.deploy()
            memory = Series("Tandem", "MB", tuple(round(run.memory_mb, 1) for run in quiet[size]))
            limit = VERIFY_LIMITS_S.get(size)
            found.rows += [
                Row(f"{size} hosts, deploy, no change", took("Tandem", quiet[size])),
                Row(f"{size} hosts, deploy, one setting changed", took("Tandem", changed)),
                Row(
                    f"{size} hosts, verify",
                    took("Tandem", verified[size]),
                    goal=None if limit is None else at_most(limit),
                ),
                Row(f"{size} hosts, the controller's memory, deploy", memory),
                *_trips(twin, Path(directory), size),
            ]
    if len(sizes) > 1:
        found.notes += [
            _slope("a deploy without change", quiet),
            _slope("the verifier", verified),
            "All machines share this machine's CPUs with the controller.",
        ]


def _trips(twin: Twin, directory: Path, size: int) -> list[Row]:
    """How often each machine was asked, by a deploy without change and by the verifier."""
    rows = []
    for name, words, limit in (
        ("deploy, no change", ["-y", INVENTORY, "deploy.py"], TRIPS_DEPLOY),
        ("verify", [INVENTORY, "verify.py"], TRIPS_VERIFY),
    ):
        told = directory / "trips.json"
        python = str(ROOT / ".venv" / "bin" / "python")
        twin.run([python, "-m", "bench.machinery.round_trips", str(told), *twin.parallel, *words])
        seen: dict[str, int] = json.loads(told.read_text())
        trips = Series("Tandem", "round trips", tuple(float(number) for number in seen.values()))
        rows.append(
            Row(f"{size} hosts, round trips per host, {name}", trips, goal=Goal(False, None, limit))
        )
    return rows


def _slope(what: str, runs: dict[int, list[Run]]) -> str:
    """What a machine more costs, and who computes that: the controller or the machines."""
    low, high = min(runs), max(runs)

    def each_ms(figure: Callable[[Run], float]) -> str:
        few, many = (median(map(figure, runs[size])) for size in (low, high))
        return f"{(many - few) / (high - low) * 1000:.0f} ms"

    return (
        f"A machine more ({low} to {high}) costs {what} {each_ms(lambda run: run.seconds)}: "
        f"{each_ms(lambda run: run.cpu_s)} of the controller's CPU, "
        f"{each_ms(lambda run: run.machines_cpu_s)} of the machines'."
    )


if __name__ == "__main__":
    sys.exit(conduct(NAME, TITLE, measure, options()))
