"""Tandem against its own growth: 2 to 30 machines in pairs.

    python -m bench.scale [--quick] [--repeats 5] [--hosts 30] [--report DIR]

A deploy that changes nothing, one that changes a setting, and the verifier: time, the controller's
memory and CPU, and how often each machine is asked.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from bench.command import ROOT, Measured, Options, conduct, options, say
from bench.model import Goal, Row, Series, at_most
from bench.twin import INVENTORY, Twin, lab_of, took

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
    quiet: dict[int, Series] = {}
    verified: dict[int, Series] = {}
    cpu: dict[int, float] = {}
    with lab_of(max(sizes)) as whole, tempfile.TemporaryDirectory() as directory:
        say(f"{len(whole.names)} machines: the first deploy")
        whole.deploy()
        whole.settle()
        for pairs in sizes:
            twin = Twin(whole.lab, pairs)
            size = len(twin.names)
            say(f"{size} machines")
            runs = [twin.deploy() for _ in range(given.repeats)]
            quiet[size], cpu[size] = took("Tandem", runs), runs[-1].cpu_s
            looks = [twin.verify() for _ in range(given.repeats)]
            verified[size] = took("Tandem", looks)
            changed = [
                twin.deploy(f"keepalive_timeout_s={50 + place}") for place in range(given.repeats)
            ]
            twin.deploy()
            memory = Series("Tandem", "MB", tuple(round(run.memory_mb, 1) for run in runs))
            limit = VERIFY_LIMITS_S.get(size)
            found.rows += [
                Row(f"{size} hosts, deploy, no change", quiet[size]),
                Row(f"{size} hosts, deploy, one setting changed", took("Tandem", changed)),
                Row(
                    f"{size} hosts, verify",
                    verified[size],
                    goal=None if limit is None else at_most(limit),
                ),
                Row(f"{size} hosts, the controller's memory, deploy", memory),
                *_trips(twin, Path(directory), size),
            ]
    if len(sizes) > 1:
        found.notes += _slopes(quiet, verified, cpu)


def _trips(twin: Twin, directory: Path, size: int) -> list[Row]:
    """How often each machine was asked, by a deploy without change and by the verifier."""
    rows = []
    for name, words, limit in (
        ("deploy, no change", ["-y", INVENTORY, "deploy.py"], TRIPS_DEPLOY),
        ("verify", [INVENTORY, "verify.py"], TRIPS_VERIFY),
    ):
        told = directory / "trips.json"
        python = str(ROOT / ".venv" / "bin" / "python")
        twin.run([python, "-m", "bench.counted", str(told), *words])
        seen: dict[str, int] = json.loads(told.read_text())
        trips = Series("Tandem", "round trips", tuple(float(number) for number in seen.values()))
        rows.append(
            Row(f"{size} hosts, round trips per host, {name}", trips, goal=Goal(False, None, limit))
        )
    return rows


def _slopes(
    quiet: dict[int, Series], verified: dict[int, Series], cpu: dict[int, float]
) -> list[str]:
    """What a machine more costs, and how much of it is the controller's own work."""
    low, high = min(quiet), max(quiet)
    more = high - low
    each = (quiet[high].median - quiet[low].median) / more
    look = (verified[high].median - verified[low].median) / more
    work = (cpu[high] - cpu[low]) / more
    return [
        f"A machine more costs a deploy without change {each * 1000:.0f} ms ({low} to {high} "
        f"machines), of which {work * 1000:.0f} ms are the controller's CPU; the verifier "
        f"{look * 1000:.0f} ms. All machines share this machine's CPUs with the controller."
    ]


if __name__ == "__main__":
    sys.exit(conduct(NAME, TITLE, measure, options()))
