"""What every bench's command has in common: its options, the machine, the report.

    python -m bench.deploy [--quick] [--repeats 5] [--hosts 30] [--report bench-report]

Exit 0: it was measured, whether or not its goals are met (the table says which are); 1: it could
not be; 130: interrupted, and what was measured until then is kept.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.report import bench_page as page
from bench.report import result_table
from bench.report.measured import Machine, Result, Row, from_json, to_json
from lab.errors import LabError

ROOT = Path(__file__).resolve().parents[2]
REPEATS = 5
QUICK_REPEATS = 1
MOST_HOSTS = 30
QUICK_HOSTS = 2
PAGE = "bench.html"
INTERRUPTED = 130


class CannotMeasure(Exception):
    """Why a bench gave up, for whoever started it."""


@dataclass
class Options:
    """What a bench was told. `hosts`: no more machines than so many, and never less than a pair."""

    quick: bool
    repeats: int
    report: Path
    hosts: int

    def may_have(self, pairs: int) -> bool:
        return pairs == 1 or 2 * pairs <= self.hosts


@dataclass
class Measured:
    """What a bench hands back."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def options(arguments: list[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(description="Measure side by side, in a lab of its own.")
    parser.add_argument("--quick", action="store_true", help="few repeats, small")
    parser.add_argument("--repeats", type=int, default=0, help=f"how often; {REPEATS} by default")
    parser.add_argument("--hosts", type=int, default=0, help="no more than so many; at least 2")
    parser.add_argument("--report", type=Path, default=ROOT / "bench-report", help="a directory")
    given = parser.parse_args(arguments)
    repeats = given.repeats or (QUICK_REPEATS if given.quick else REPEATS)
    hosts = given.hosts or (QUICK_HOSTS if given.quick else MOST_HOSTS)
    return Options(given.quick, repeats, given.report, hosts)


def say(text: str) -> None:
    """Progress goes to stderr; stdout is for the table."""
    print(f"--> {text}", file=sys.stderr, flush=True)


def conduct(
    name: str, title: str, measure: Callable[[Options, Measured], None], given: Options
) -> int:
    """Measure and report; the exit code. What was measured before an error is reported, too."""
    started, began, load = datetime.now(UTC), time.monotonic(), os.getloadavg()[0]
    found, code = Measured(), 0
    if not given.quick and given.hosts < MOST_HOSTS:
        found.notes.append(f"With no more than {given.hosts} hosts: --hosts.")
    try:
        measure(given, found)
    except (CannotMeasure, LabError) as error:
        say(f"{name}: {error}")
        found.notes.append(f"Not finished: {str(error).splitlines()[0]}")
        code = 1
    except KeyboardInterrupt:
        say(f"{name}: interrupted")
        found.notes.append("Not finished: interrupted")
        code = INTERRUPTED
    result = Result(
        bench=name,
        title=title,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 1),
        quick=given.quick,
        machine=machine(load),
        rows=tuple(found.rows),
        notes=tuple(found.notes),
    )
    result_table.report(result)
    write(result, given.report)
    return code


def write(result: Result, directory: Path) -> None:
    """This bench's JSON, and the page over all that lie in the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{result.bench}.json").write_bytes(to_json(result))
    (directory / PAGE).write_text(page.page(list(results(directory))), encoding="utf-8")
    say(f"Written: {directory}/{result.bench}.json and {directory}/{PAGE}")


def results(directory: Path) -> Iterator[Result]:
    for path in sorted(directory.glob("*.json")):
        try:
            yield from_json(path.read_bytes())
        except ValueError:
            continue  # another program's, or an older form: the page goes without


def machine(load_before: float) -> Machine:
    return Machine(
        cpus=os.cpu_count() or 0,
        model=_first(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo")),
        kernel=os.uname().release,
        memory_mb=int(_first(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo")) or 0) // 1024,
        load_before=round(load_before, 2),
        load_after=round(os.getloadavg()[0], 2),
    )


def _first(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text(), re.MULTILINE)
    return found[1].strip() if found else ""
