"""The reports as files: drills.json with every sample, drills.html, and the samples as CSV."""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

from drills.analysis.other_profile import FILE
from drills.report import drills_page
from drills.results import DrillResult, LongLived, Repeat, Report, to_json

PAGE = "drills.html"  # not report.html: the verifier's may lie in the same directory
SAMPLES = "samples"
COLUMNS = ("due_s", "lag_s", "connect_s", "total_s", "outcome", "answered_by", "held_by")
LONG_LIVED = (*(field.name for field in fields(LongLived)), "held_at_first", "held_at_last")


def write(report: Report, directory: Path) -> tuple[Path, ...]:
    """Write everything into `directory`; each file is written under another name, then renamed.

    Returns the files' paths.
    """
    (directory / SAMPLES).mkdir(parents=True, exist_ok=True)
    for old in (directory / SAMPLES).glob("*.csv"):
        old.unlink()  # all samples here have to be of one run
    contents: dict[str, bytes] = {
        FILE: to_json(report),
        PAGE: drills_page.page(report).encode(),
    }
    for drill in report.drills:
        for repeat in drill.repeats:
            contents[f"{SAMPLES}/{name_of(drill, repeat)}"] = as_csv(repeat).encode()
            if repeat.long_lived:
                name = name_of(drill, repeat, "-long-lived")
                contents[f"{SAMPLES}/{name}"] = long_lived_csv(repeat).encode()
    for name, content in contents.items():
        path = directory / name
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(content)
        new.rename(path)
    return tuple(directory / name for name in contents)


def name_of(drill: DrillResult, repeat: Repeat, what: str = "") -> str:
    """The name of a repeat's CSV file. `what`: a suffix for other than its requests."""
    cluster = re.sub(r"[^\w.-]+", "-", drill.cluster)
    return f"{cluster}-{drill.name}-{repeat.number}{what}.csv"


def as_csv(repeat: Repeat) -> str:
    """A line per request, with who held the address when it was due."""
    return _table(
        COLUMNS, ((*request, _held(repeat, request.due_s)) for request in repeat.requests)
    )


def long_lived_csv(repeat: Repeat) -> str:
    """A line per connection, with who held the address when it began and when it ended."""
    return _table(
        LONG_LIVED,
        (
            (*astuple(work), _held(repeat, work.from_s), _held(repeat, work.to_s))
            for work in repeat.long_lived
        ),
    )


def _table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def _held(repeat: Repeat, at_s: float) -> str:
    """Who held the address; what began before the first sample counts as begun with it."""
    moments = [sample.at_s for sample in repeat.holders]
    index = bisect_right(moments, max(at_s, moments[0] if moments else at_s)) - 1
    return "+".join(repeat.holders[index].holders) if index >= 0 else ""
