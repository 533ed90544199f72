"""Renders a saved report of drills again: its page, and each drill's picture as a file.

python -m pages report/drills.json --html report.html --pictures docs/pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drills.report import drills_page, picture
from drills.results import Report, from_json


def main(
    report: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    html: Annotated[Path | None, typer.Option(help="the page, one file")] = None,
    pictures: Annotated[Path | None, typer.Option(help="a directory: DRILL.svg each")] = None,
) -> None:
    """Render REPORT, the JSON that drill.py writes."""
    try:
        found = from_json(report.read_bytes())
    except ValueError as error:
        raise typer.BadParameter(f"{report} is no report of drills: {error}") from error
    if html:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(drills_page.page(found), encoding="utf-8")
        typer.echo(html)
    if pictures:
        for file in draw(found, pictures):
            typer.echo(file)


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
    typer.run(main)
