"""The command line of a bench: its options, the machine it ran on, its report and exit code.

    python -m bench.deploy [--quick] [--repeats 5] [--hosts 30] [--report bench-report]

Exit code 0: measured, whether or not the goals are met (the table says which are); 1: could not
measure; 130: interrupted, with the measurements so far reported.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from bench.report import bench_page, result_table
from bench.report.bench_result import BenchMachine, BenchResult, Comparison, from_json, to_json
from lab.errors import LabError
from report import live_line

ROOT = Path(__file__).resolve().parents[2]
REPEATS = 5
QUICK_REPEATS = 1
MOST_HOSTS = 30
QUICK_HOSTS = 2
PAGE = "bench.html"
INTERRUPTED = 130


class CannotMeasure(Exception):
    """The reason why a bench cannot measure, for its user."""


@dataclass(frozen=True)
class Options:
    """A bench's options. `hosts` limits the number of machines; a pair is always allowed.

    `against`: the revision beside which this one is put, "" for a bench that asks for none.
    """

    quick: bool
    repeats: int
    report: Path
    hosts: int
    against: str = ""

    def may_have(self, pairs: int) -> bool:
        """Whether the limit allows so many pairs."""
        return pairs == 1 or 2 * pairs <= self.hosts


@dataclass
class Measurements:
    """What a bench has measured so far."""

    rows: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def option_parser() -> argparse.ArgumentParser:
    """The options of every bench, for use as a parent parser."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--quick", action="store_true", help="few repeats, one pair")
    parser.add_argument(
        "--repeats", type=int, default=0, help=f"measurements per figure ({REPEATS} by default)"
    )
    parser.add_argument(
        "--hosts", type=int, default=0, help=f"most machines; 2 or more ({MOST_HOSTS} by default)"
    )
    parser.add_argument("--report", type=Path, default=ROOT / "bench-report", help="a directory")
    return parser


def parse_options(arguments: list[str] | None = None, *, with_revision: bool = False) -> Options:
    """The options of a bench's command line; `with_revision`: one beside another revision."""
    parser = argparse.ArgumentParser(
        description="Measure side by side, in a lab of its own.", parents=[option_parser()]
    )
    if with_revision:
        parser.add_argument("--against", required=True, metavar="REV", help="a revision of git's")
    given = parser.parse_args(arguments)
    repeats = given.repeats or (QUICK_REPEATS if given.quick else REPEATS)
    hosts = given.hosts or (QUICK_HOSTS if given.quick else MOST_HOSTS)
    against = given.against if with_revision else ""
    return Options(given.quick, repeats, given.report, hosts, against)


def tell(text: str) -> None:
    """Print what has come of something on stderr; stdout carries the table."""
    live_line.say(f"--> {text}")


def progress(text: str) -> None:
    """Print what is done now on stderr."""
    tell(text)
    live_line.begin(text, said=True)


def run_bench(
    title: str,
    measure: Callable[[Options, Measurements], None],
    arguments: list[str] | None = None,
    *,
    with_revision: bool = False,
) -> NoReturn:
    """Run the bench in `measure`'s module, report, and exit. What was measured before an error is
    reported, too. `with_revision`: its command line has to name one."""
    name = Path(inspect.getfile(measure)).stem
    options = parse_options(arguments, with_revision=with_revision)
    started, began, load = datetime.now(UTC), time.monotonic(), os.getloadavg()[0]
    measured, code = Measurements(), 0
    if not options.quick and options.hosts < MOST_HOSTS:
        measured.notes.append(f"With no more than {options.hosts} hosts: --hosts.")
    try:
        measure(options, measured)
    except (Exception, KeyboardInterrupt) as error:
        if not isinstance(error, (CannotMeasure, LabError, KeyboardInterrupt)):
            traceback.print_exc()
        why = _told(error)
        tell(f"{name}: {why}")
        measured.notes.append(f"Not finished: {why.splitlines()[0]}")
        code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    result = BenchResult(
        bench=name,
        title=title,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 1),
        quick=options.quick,
        machine=machine(load),
        rows=tuple(measured.rows),
        notes=tuple(measured.notes),
    )
    live_line.end()
    result_table.report(result)
    write(result, options.report)
    sys.exit(code)


def _told(error: BaseException) -> str:
    """The error in words, after the one that came first where putting away has failed, too."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    foreseen = isinstance(error, (CannotMeasure, LabError))
    text = str(error) if foreseen else f"{type(error).__name__}: {error}"
    first = None if error.__suppress_context__ else error.__context__
    return f"{_told(first)}; then {text}" if first else text


def write(result: BenchResult, directory: Path) -> None:
    """Write this bench's JSON, and a page with all results in the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{result.bench}.json").write_bytes(to_json(result))
    (directory / PAGE).write_text(bench_page.page(list(results(directory))), encoding="utf-8")
    tell(f"Written: {directory}/{result.bench}.json and {directory}/{PAGE}")


def results(directory: Path) -> Iterator[BenchResult]:
    """The results in the directory, by file name."""
    for path in sorted(directory.glob("*.json")):
        try:
            yield from_json(path.read_bytes())
        except ValueError:
            continue  # not a result, or an older format: the page omits it


def machine(load_before: float) -> BenchMachine:
    """This computer; `load_before` is the load average when the bench started."""
    return BenchMachine(
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
