"""Print a result as a table in the terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from bench.report import figures
from bench.report.bench_result import BenchResult

COLOURS = {"met": "green", "not met": "red", "–": "dim"}


def report(result: BenchResult) -> None:
    """Print the table and its notes on stdout."""
    # A pipe has no width; most lines fit into this one.
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for column in ("what", "ours", "beside it", "ratio", "goal", ""):
        table.add_column(column, overflow="fold")
    for row in result.rows:
        verdict = figures.verdict(row)
        table.add_row(
            row.what,
            figures.side(row.ours),
            figures.side(row.rival) or "–",
            figures.ratio(row),
            figures.goal(row.goal, row.ours.unit),
            f"[{COLOURS[verdict]}]{verdict}[/]",
        )
    console.print(f"\n[bold]{result.bench}[/]: {result.title}")
    console.print(table)
    for row in result.rows:
        if row.note:
            console.print(f"{row.what}: {row.note}", style="dim", soft_wrap=True)
    for note in result.notes:
        console.print(note, style="dim", soft_wrap=True)
    machine = f"{figures.machine(result)}; {figures.length(result)}; {result.seconds:.0f} s"
    console.print(machine, style="dim", soft_wrap=True)
