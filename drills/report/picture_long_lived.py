"""Two more lanes under a picture: clients that keep their connections, and slow downloads."""

from __future__ import annotations

import itertools

from drills.analysis.long_lived_counts import failures, running
from drills.report.picture_panel import Panel
from drills.results import Kind, LongLived
from report.svg import box, element, number
from report.svg import words as text

NAMES = {
    Kind.KEEP_ALIVE: "keep-alive clients",
    Kind.DOWNLOAD: "downloads running",
    Kind.SESSION: "stream sessions",
}
CUT_PX = 3.0


def kinds(work: tuple[LongLived, ...]) -> tuple[Kind, ...]:
    """Those that have a lane: none without such a load, sessions only where there are streams."""
    found = {one.kind for one in work} | (set(NAMES) - {Kind.SESSION} if work else set())
    return tuple(kind for kind in NAMES if kind in found)


def lane(panel: Panel, work: tuple[LongLived, ...], kind: Kind, y: float, high: float) -> str:
    """How many there are at a time; over it, as high as the lane, each one that was broken."""
    mine = tuple(one for one in work if one.kind is kind)
    most = max((count for _, count in running(mine, kind)), default=0)
    parts = [_area(panel, mine, kind, y, high, most)]
    broken = failures(mine)
    renewed = [
        one.to_s for one in mine if one.reconnected and one not in broken and panel.shows(one.to_s)
    ]
    if renewed:
        ticks = "".join(
            f"M{number(panel.time(s))} {number(y + high / 2)}V{number(y + high)}" for s in renewed
        )
        parts.append(element("path", class_="whisk", d=ticks))
    cut = [one.to_s for one in broken if panel.shows(one.to_s)]
    if cut:
        bars = "".join(box(panel.time(s) - CUT_PX / 2, y, CUT_PX, high) for s in cut)
        parts.append(element("path", class_="lost", d=bars))
    if most:
        parts.append(text(panel.left + 6, y + 14.5, f"up to {most}", class_="t b m"))
    return "".join(parts)


def _area(
    panel: Panel, work: tuple[LongLived, ...], kind: Kind, y: float, high: float, most: int
) -> str:
    steps = running(work, kind)
    boxes: list[str] = []
    for (from_s, count), (to_s, _) in itertools.pairwise(steps):
        found = panel.span(from_s, to_s) if count else None
        if found:
            tall = count / most * high
            boxes.append(box(found[0], y + high - tall, found[1], tall))
    return element("path", class_="going", d="".join(boxes)) if boxes else ""
