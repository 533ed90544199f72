"""A drill's picture: every request, the fault, the outage, and who held the address meanwhile."""

from __future__ import annotations

from collections import Counter

from drills.analysis.long_lived_counts import count_long_lived
from drills.report import drill_wording, outcome_marks, picture_lanes
from drills.report.outcome_marks import MARKS
from drills.report.picture_panel import CHARACTER_PX, Panel, draw, time_axis
from drills.results import MEANING, ClusterInfo, DrillResult, Repeat, RequestOutcome
from report import svg, wording
from report.scales import Decades, Straight
from report.svg import box, element
from report.svg import words as text

WIDTH_PX = 1120.0
LEFT_PX = 150.0
RIGHT_PX = 14.0
PLOT_PX = 215.0
HEAD_PX = 52.0
BRACKET_PX = 30.0
LINE_PX = 19.0
LATENCY_S = (0.00005, 2.0)
# An outage that takes less of the picture's width than this is shown again, from close by.
TOO_SMALL = 0.12
ZOOM_SHARE, ZOOM_GAP_PX = 0.36, 44.0
LEGEND_WIDTH_PX = 670.0
EVENTS_MOST = 9


def drill_svg(drill: DrillResult, cluster: ClusterInfo | None = None) -> str:
    """The median repeat as an SVG that stands alone, light and dark; "" without any repeat."""
    shown = drill_wording.median_repeat(drill)
    return picture(drill, shown, nodes_of(drill, cluster), alone=True) if shown else ""


def nodes_of(drill: DrillResult, cluster: ClusterInfo | None) -> tuple[str, ...]:
    """The cluster's nodes in its order; without a cluster those in the samples, by name."""
    sampled = {node for r in drill.repeats for sample in r.holders for node in sample.holders}
    sampled |= {request.node for r in drill.repeats for request in r.requests if request.node}
    known = cluster.nodes if cluster else ()
    return (*known, *sorted(sampled - set(known)))


def picture(
    drill: DrillResult,
    repeat: Repeat,
    nodes: tuple[str, ...],
    *,
    alone: bool = False,
    cell: float = 1.5,
) -> str:
    """`alone`: with its title and styles, not within a page. `cell`: see `Panel`."""
    top = (HEAD_PX if alone else 0.0) + BRACKET_PX
    lanes_y = top + PLOT_PX + 12
    axis_y = lanes_y + picture_lanes.height(nodes, repeat) + 12
    legend_y = axis_y + 32
    panels = _panels(repeat, top, cell)
    parts: list[str] = []
    headline = f"{drill.title}: {drill_wording.result(drill, repeat)}"
    if alone:
        parts += [
            element("style", outcome_marks.stylesheet()),
            element("rect", class_="paper", width="100%", height="100%"),
            text(14, 26, headline, class_="t h"),
            text(14, 46, drill_wording.conditions(drill, repeat), class_="s"),
        ]
    parts.append(_latency_axis(panels[0]))
    for lane, name in enumerate(picture_lanes.names(nodes, repeat)):
        y = lanes_y + lane * (picture_lanes.LANE_PX + picture_lanes.GAP_PX) + 14.5
        parts.append(text(LEFT_PX - 8, y, name, class_="s", text_anchor="end"))
    for number, panel in enumerate(panels):
        closer = number > 0
        parts.append(
            element(
                "g",
                draw(panel, repeat, name_faults=not closer, split=closer or len(panels) == 1),
                picture_lanes.draw(panel, repeat, nodes, lanes_y),
                time_axis(panel, axis_y + 4),
                text(panel.left + 6, top + 17, "from close by", class_="s m") if closer else "",
                class_="close" if closer else "whole",
            )
        )
    legend, events = _legend(repeat, legend_y), _events(repeat, legend_y)
    height = legend_y + max(len(legend), len(events)) * LINE_PX
    size = {"width": WIDTH_PX, "height": height} if alone else {}
    space = "http://www.w3.org/2000/svg"
    return svg.picture(WIDTH_PX, height, headline, *parts, *legend, *events, xmlns=space, **size)


def _panels(repeat: Repeat, top: float, cell: float) -> list[Panel]:
    """The whole repeat, and the longest outage from close by where it would be too small there."""
    latency = Decades(*LATENCY_S, top + PLOT_PX, top)
    end_s = repeat.duration_s
    right = WIDTH_PX - RIGHT_PX
    whole = Straight(0.0, end_s, LEFT_PX, right)
    longest = max(repeat.windows, key=lambda window: window.outage_s, default=None)
    if longest is None or longest.outage_s > TOO_SMALL * end_s:
        return [Panel(whole, latency, cell)]
    around_s = max(0.1, 0.8 * longest.outage_s)
    left = right - ZOOM_SHARE * (right - LEFT_PX)
    close = Straight(
        max(0.0, longest.from_s - around_s), min(end_s, longest.to_s + around_s), left, right
    )
    whole = Straight(0.0, end_s, LEFT_PX, left - ZOOM_GAP_PX)
    return [Panel(whole, latency, cell), Panel(close, latency, cell)]


def _latency_axis(panel: Panel) -> str:
    labels = {0.0001: "0.1 ms", 0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1.0: "1 s"}
    return "".join(
        text(panel.left - 8, panel.latency(s) + 4.5, label, class_="s", text_anchor="end")
        for s, label in labels.items()
    )


def _legend(repeat: Repeat, y: float) -> list[str]:
    """A line for each class that occurred, and what the shades are."""
    counts = Counter(request.outcome for request in repeat.requests)
    lines: list[str] = []

    def line(label: str, *shades: str, mark: str = "") -> None:
        at = y + len(lines) * LINE_PX
        width = 16 / max(1, len(shades))
        drawn = [
            element("path", class_=shade, d=box(16 + place * width, at - 11, width, 14))
            for place, shade in enumerate(shades)
        ]
        if mark:
            drawn.append(element("path", class_=mark, d=MARKS[RequestOutcome(mark)].at(24, at - 4)))
        lines.append("".join(drawn) + text(40, at, label, class_="s"))

    for outcome, mark in MARKS.items():
        if counts[outcome]:
            label = f"{wording.grouped(counts[outcome])} {mark.word}: {MEANING[outcome]}"
            line(label, mark=outcome)
    what = "the change goes on" if repeat.long_lived else "the fault is there"
    line(f"shaded: {what}; darker: an outage", "fault", "out")
    if repeat.long_lived:
        found = count_long_lived(repeat.long_lived)
        line(f"{found}; a dark line: reconnected; a red one: broken", "going")
    return lines


def _events(repeat: Repeat, y: float) -> list[str]:
    """The events by time, beside the legend: a line each."""
    fits = int((WIDTH_PX - LEGEND_WIDTH_PX - 80) / CHARACTER_PX)
    events = sorted(repeat.events, key=lambda event: event.at_s)
    said = [(f"{event.at_s:.2f} s", event.text) for event in events[:EVENTS_MOST]]
    if len(events) > EVENTS_MOST:
        said.append(("", f"and {len(events) - EVENTS_MOST} more"))
    lines: list[str] = []
    for number, (when, what) in enumerate(said):
        at = y + number * LINE_PX
        short = what if len(what) <= fits else f"{what[: fits - 1]}…"
        moment = text(LEGEND_WIDTH_PX + 62, at, when, class_="s b", text_anchor="end")
        lines.append(moment + text(LEGEND_WIDTH_PX + 70, at, short, class_="s"))
    return lines
