"""Run drill.py for a bench and read its report."""

from __future__ import annotations

from pathlib import Path

from bench.machinery.bench_command import CannotMeasure
from bench.machinery.bench_lab import INVENTORY, SHOWN_LINES, Operator, data_options
from drills.results import Report, from_json

# Not imported from drills.analysis.other_profile: that imports pyinfra, which patches threads.
FILE = "drills.json"


def run_drills(operator: Operator, script: str, *data: str, report: Path) -> Report:
    """The report of a drill run; exceeded budgets, which make drill.py fail, are accepted.

    Raises `CannotMeasure` without a whole report, and where machines are not as they were.
    """
    run = operator.pyinfra(
        INVENTORY, script, *data_options((*data, f"report={report}")), may_fail=True
    )
    last = "\n".join(run.output.splitlines()[-SHOWN_LINES:])
    try:
        found = from_json((report / FILE).read_bytes())
    except (OSError, ValueError):
        raise CannotMeasure(f"{script} wrote no report:\n{last}") from None
    if found.to_come or found.interrupted or found.not_put_back:
        raise CannotMeasure(f"{script} did not come to its end in order:\n{last}")
    return found
