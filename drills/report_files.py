"""The reports as files: drills.json with every sample, drills.html, and the samples as CSV."""

from __future__ import annotations

import csv
import io
from bisect import bisect_right
from pathlib import Path

from drills.compare import FILE
from drills.model import DrillResult, Repeat, Report, to_json
from pages import drills as drills_page

PAGE = "drills.html"  # not report.html: the verifier's may lie in the same directory
SAMPLES = "samples"
COLUMNS = ("due_s", "lag_s", "connect_s", "total_s", "outcome", "answered_by", "held_by")


def write(report: Report, directory: Path) -> tuple[Path, ...]:
    """Everything into `directory`, each file beside its place first and then renamed."""
    (directory / SAMPLES).mkdir(parents=True, exist_ok=True)
    for old in (directory / SAMPLES).glob("*.csv"):
        old.unlink()  # of a run before: what lies here belongs together
    contents: dict[str, bytes] = {
        FILE: to_json(report),
        PAGE: drills_page.page(report).encode(),
    }
    for drill in report.drills:
        for repeat in drill.repeats:
            contents[f"{SAMPLES}/{name_of(drill, repeat)}"] = as_csv(repeat).encode()
    for name, content in contents.items():
        place = directory / name
        beside = place.with_name(f".{place.name}.new")
        beside.write_bytes(content)
        beside.rename(place)
    return tuple(directory / name for name in contents)


def name_of(drill: DrillResult, repeat: Repeat) -> str:
    return f"{drill.cluster}-{drill.name}-{repeat.number}.csv"


def as_csv(repeat: Repeat) -> str:
    """A line per request, with who held the address when it was due."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    moments = [sample.at_s for sample in repeat.holders]
    for request in repeat.requests:
        index = bisect_right(moments, request.due_s) - 1
        held = repeat.holders[index].holders if index >= 0 else ()
        writer.writerow([*request, "+".join(held)])
    return out.getvalue()
