"""The reports as files: drills.json with every sample, drills.html, and the samples as CSV."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import astuple, fields
from pathlib import Path

from drills.analysis.other_profile import FILE
from drills.report import drills_page
from drills.results import LongLived, Repeat, Report, to_json

PAGE = "drills.html"  # not report.html: the verifier's may lie in the same directory
SAMPLES = "samples"
COLUMNS = ("due_s", "lag_s", "connect_s", "total_s", "outcome", "answered_by", "held_by")
LONG_LIVED = (*(field.name for field in fields(LongLived)), "held_at_first", "held_at_last")


def try_out(directory: Path) -> None:
    """Raises `OSError` where a report cannot be written into `directory`."""
    for folder in (directory, directory / SAMPLES):
        folder.mkdir(parents=True, exist_ok=True)
        trial = _beside(folder / FILE)
        trial.write_bytes(b"\n")
        trial.unlink()


def write(report: Report, directory: Path) -> tuple[Path, ...]:
    """Write everything into `directory`, in place of an earlier report, or leave that as it is.

    Returns what a person looks for: each file, and the directory of the samples.
    Raises `OSError` where it cannot be written. Where only the page cannot be made, everything else
    is written, and the page's error is raised then.
    """
    samples = directory / SAMPLES
    samples.mkdir(parents=True, exist_ok=True)
    contents: dict[str, bytes] = {}
    for drill in report.drills:
        cluster = re.sub(r"[^\w.-]+", "-", drill.cluster)
        for repeat in drill.repeats:
            name = f"{SAMPLES}/{cluster}-{drill.name}-{repeat.number}"
            contents[f"{name}.csv"] = _requests(repeat)
            if repeat.long_lived:
                contents[f"{name}-long-lived.csv"] = _long_lived(repeat)
    no_page: Exception | None = None
    try:
        contents[PAGE] = drills_page.page(report).encode()
    except Exception as error:
        no_page = error
    contents[FILE] = to_json(report)  # the last to be placed: whoever reads it finds the others
    _place(contents, directory)
    # All files here have to be of one run.
    for old in (directory / PAGE, *samples.glob("*.csv"), *samples.glob(".*.new")):
        if str(old.relative_to(directory)) not in contents:
            old.unlink(missing_ok=True)
    if no_page:
        raise no_page
    return (directory / PAGE, directory / FILE, *([samples] if len(contents) > 2 else []))


def _place(contents: Mapping[str, bytes], directory: Path) -> None:
    """All or nothing: everything beside its place first, then renamed."""
    new = {directory / name: _beside(directory / name) for name in contents}
    try:
        for content, beside in zip(contents.values(), new.values(), strict=True):
            beside.write_bytes(content)
    except BaseException:
        for beside in new.values():
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
        raise
    for path, beside in new.items():
        beside.rename(path)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _requests(repeat: Repeat) -> bytes:
    """A line per request, with who held the address when it was due."""
    rows = ((*request, _held(repeat, request.due_s)) for request in repeat.requests)
    return _table(COLUMNS, rows)


def _long_lived(repeat: Repeat) -> bytes:
    """A line per connection, with who held the address when it began and when it ended."""
    rows = (
        (*astuple(work), _held(repeat, work.from_s), _held(repeat, work.to_s))
        for work in repeat.long_lived
    )
    return _table(LONG_LIVED, rows)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([columns, *rows])
    return out.getvalue().encode()


def _held(repeat: Repeat, at_s: float) -> str:
    """Who held the address; what began before the first sample counts as begun with it."""
    moments = [sample.at_s for sample in repeat.holders]
    index = bisect_right(moments, max(at_s, moments[0] if moments else at_s)) - 1
    return "+".join(repeat.holders[index].holders) if index >= 0 else ""
