"""What a run of drill.py leaves: a report on the disk, one on the terminal, the last lines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import click

from drills.conduct.progress import say
from drills.mishaps import MISHAPS, told
from drills.report import drill_files, drill_terminal
from drills.results import NotPutBack, Report


class ReportWriter:
    """Writes the report, as often as there is more of it. `trouble`: why it is not on the disk."""

    def __init__(self, directory: str):
        self._directory = directory
        self._files: tuple[Path, ...] = ()
        self.trouble = ""

    def write(self, report: Report) -> None:
        """What is in the way is said, and never stops anything; the next time it is tried again."""
        if not self._directory:
            return
        before, self.trouble = self.trouble, ""
        try:
            self._files = drill_files.write(report, Path(self._directory))
        except MISHAPS as error:
            self.trouble = f"the report could not be written: {told(error)}"
            if self.trouble != before:
                say(f"NOT WRITTEN: {self.trouble}")

    @property
    def sentence(self) -> str:
        """What there is now; "" where no report was asked for."""
        if not self._directory:
            return ""
        if self.trouble:
            return f"NOT WRITTEN: {self.trouble}"
        return f"Written: {', '.join(str(path) for path in self._files)}"


def last_words(report: Report, writer: ReportWriter, failed: str = "") -> bool:
    """Write and print the report. False where something was not put back, written or printed.

    `failed`: why the run has not come to its end, "" if it has.
    """
    # First what a hang-up or a closed pipe cannot take away.
    writer.write(report)
    shown = True
    try:
        out = drill_terminal.console()
        drill_terminal.report(report, out)
        if writer.sentence:
            out.print(writer.sentence, soft_wrap=True, markup=False)
    except MISHAPS as error:
        say(f"The report could not be printed: {told(error, placed=True)}")
        shown = False
    if failed:
        say(failed)
    tell_left(report.not_put_back)
    return shown and not (failed or writer.trouble or report.not_put_back)


def tell_left(left: Iterable[NotPutBack]) -> None:
    """What could not be put back, where, why, and what a person does about it."""
    for each in left:
        with contextlib.suppress(OSError, ValueError):
            click.echo(f"NOT PUT BACK: {each}: {each.why}\n    By hand, {each.by_hand}")
