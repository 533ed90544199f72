"""Renders a saved report of drills again: its page, each drill's picture as a file, its table.

python -m drills.report reports/drills.json --html drills.html --pictures docs/pictures --table
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from drills.report import drills_page, markdown_table, picture
from drills.results import Report, from_json


def main(arguments: Sequence[str] | None = None) -> None:
    """The command. Exits with 2 where REPORT is no report of drills."""
    parser = argparse.ArgumentParser(prog="python -m drills.report", description=__doc__)
    parser.add_argument("report", type=Path, help="the JSON that drill.py writes")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write a DRILL.svg each")
    parser.add_argument("--table", action="store_true", help="print a table, in Markdown")
    given = parser.parse_args(arguments)
    try:
        report = from_json(given.report.read_bytes())
    except (OSError, ValueError) as error:
        parser.error(f"{given.report} is no report of drills: {error}")
    if given.html:
        given.html.parent.mkdir(parents=True, exist_ok=True)
        given.html.write_text(drills_page.page(report), encoding="utf-8")
        print(given.html)
    if given.pictures:
        for file in draw(report, given.pictures):
            print(file)
    if given.table:
        print(markdown_table.table(report))


def draw(report: Report, directory: Path) -> list[Path]:
    """A picture of each drill that was done; with its cluster in the name where there are many."""
    directory.mkdir(parents=True, exist_ok=True)
    clusters = {cluster.name: cluster for cluster in report.clusters}
    drawn: list[Path] = []
    for drill in report.drills:
        svg = picture.drill_svg(drill, clusters.get(drill.cluster))
        name = drill.name if len(clusters) < 2 else f"{drill.cluster}-{drill.name}"
        if svg:
            drawn.append(directory / f"{name}.svg")
            drawn[-1].write_text(svg + "\n", encoding="utf-8")
    return drawn


if __name__ == "__main__":
    main()
