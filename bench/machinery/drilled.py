"""drill.py as the benches run it: told what to do, and its report read."""

from __future__ import annotations

from pathlib import Path

from bench.machinery.bench_command import CannotMeasure
from bench.machinery.bench_lab import INVENTORY, Twin, as_words
from drills.results import Report, from_json

# Not drills.analysis.other_profile's: that loads pyinfra, which replaces this process's threads.
FILE = "drills.json"
SHOWN_LINES = 25


def drilled(twin: Twin, script: str, *data: str, report: Path) -> Report:
    """What it has found. It fails where a budget is exceeded, which is no matter here."""
    run = twin.pyinfra(INVENTORY, script, *as_words((*data, f"report={report}")), fails=True)
    try:
        return from_json((report / FILE).read_bytes())
    except OSError:
        last = "\n".join(run.output.splitlines()[-SHOWN_LINES:])
        raise CannotMeasure(f"{script} has not drilled:\n{last}") from None
