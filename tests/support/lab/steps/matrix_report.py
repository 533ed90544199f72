"""What became of every step, as text."""

from __future__ import annotations

from tests.support.lab.steps.matrix import COLUMNS, Matrix
from tests.support.lab.steps.walk import Cell

REPORT = "build/steps.txt"
WIDTH = 60


def table(matrix: Matrix) -> str:
    """A line a step: how long after the last thing that happened each disturbed run had ended.

    In the changing deploy, where clients ask all the time, also the longest time without an answer.
    """
    lines: list[str] = []
    for kind, reference in matrix.references.items():
        lines += [f"{kind}, s until a disturbed run had ended; ! where something was wrong", ""]
        lines.append(_row("step", list(COLUMNS)))
        columns = {
            column: {cell.disturbance.step: cell for cell in matrix.cells.get((kind, column), [])}
            for column in COLUMNS
        }
        for step in reference.steps:
            lines.append(_row(step.name, [_cell(each.get(step.name)) for each in columns.values()]))
        every = [list(each.values()) for each in columns.values()]
        lines.append(_row("longest", [_longest(cells) for cells in every]))
        if any(cell.outage_s for cells in every for cell in cells):
            outages = [f"{max((c.outage_s for c in cells), default=0):.1f}" for cells in every]
            lines.append(_row("longest without an answer", outages))
        lines += ["", *(f"! {cell}" for cells in every for cell in cells if cell.troubles), ""]
    return "\n".join(lines)


def _row(name: str, cells: list[str]) -> str:
    return f"{name[:WIDTH]:{WIDTH}}" + "".join(f"{cell:>9}" for cell in cells)


def _cell(cell: Cell | None) -> str:
    return "-" if cell is None else f"{'! ' if cell.troubles else ''}{cell.silence_s:.1f}"


def _longest(cells: list[Cell]) -> str:
    return f"{max((cell.silence_s for cell in cells), default=0.0):.1f}"
