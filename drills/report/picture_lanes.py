"""The lanes under a drill's picture: what was lost, who answered, who held the address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from drills.analysis import holder_timeline
from drills.report import picture_long_lived, picture_shares
from drills.report.picture_panel import CHARACTER_PX, Panel
from drills.results import Repeat, Request, RequestOutcome
from report.palette import node_class
from report.svg import box, element
from report.svg import words as text

LANE_PX = 20.0
GAP_PX = 7.0
BIN_S = 0.1


@dataclass(frozen=True)
class NodeSpan:
    """From `from_s` to `to_s` the same node answered, or held the address."""

    node: str
    from_s: float
    to_s: float


def names(nodes: tuple[str, ...], repeat: Repeat) -> list[str]:
    """From top to bottom; those of the long-lived load only where there was any."""
    return [
        "requests lost / 0.1 s",
        "answered by",
        *(f"{'announced' if repeat.announced else 'VIP held'} by {node}" for node in nodes),
        *(picture_long_lived.NAMES[kind] for kind in picture_long_lived.kinds(repeat.long_lived)),
    ]


def height(nodes: tuple[str, ...], repeat: Repeat) -> float:
    return len(names(nodes, repeat)) * (LANE_PX + GAP_PX)


def draw(panel: Panel, repeat: Repeat, nodes: tuple[str, ...], y: float) -> str:
    """`nodes`: those of the cluster, in its order; a lane each, and a colour."""
    wells = "".join(
        box(panel.left, y + lane * (LANE_PX + GAP_PX), panel.width, LANE_PX)
        for lane in range(len(names(nodes, repeat)))
    )
    parts = [element("path", class_="well", d=wells), _lost(panel, repeat.requests, y)]
    lane_y = y + LANE_PX + GAP_PX
    if repeat.announced:
        parts += picture_shares.lane(panel, repeat.requests, nodes, lane_y, LANE_PX)
    else:
        parts += _draw_spans(panel, answered(repeat), nodes, lane_y, name=True)
    for node in nodes:
        lane_y += LANE_PX + GAP_PX
        parts += _draw_spans(panel, holding(repeat, node), nodes, lane_y, name=False)
    for kind in picture_long_lived.kinds(repeat.long_lived):
        lane_y += LANE_PX + GAP_PX
        parts.append(picture_long_lived.lane(panel, repeat.long_lived, kind, lane_y, LANE_PX))
    return "".join(parts)


def lost_bins(requests: tuple[Request, ...]) -> dict[int, tuple[int, int]]:
    """By tenth of a second: how many were lost, of how many that were due."""
    bins: dict[int, tuple[int, int]] = {}
    for request in requests:
        # Due times are multiples of 1/rate: without the nudge 0.3 may fall into the bin of 0.2.
        place = int(request.due_s / BIN_S + 1e-6)
        lost, due = bins.get(place, (0, 0))
        bins[place] = (lost + (request.outcome is not RequestOutcome.OK), due + 1)
    return bins


def _lost(panel: Panel, requests: tuple[Request, ...], y: float) -> str:
    """A bar as high as the lane: every request of that tenth of a second was lost."""
    bars: list[str] = []
    for place, (lost, due) in lost_bins(requests).items():
        found = panel.span(place * BIN_S, (place + 1) * BIN_S) if lost else None
        if found:
            tall = max(2.0, lost / due * LANE_PX)
            bars.append(box(found[0], y + LANE_PX - tall, found[1], tall))
    return element("path", class_="lost", d="".join(bars)) if bars else ""


def answered(repeat: Repeat) -> list[NodeSpan]:
    """Who answered: each span ends where another node does, or where a request is lost."""
    spans: list[NodeSpan] = []
    step_s = repeat.step_s
    unbroken = False
    for request in sorted(repeat.requests):
        if request.outcome is not RequestOutcome.OK:
            unbroken = False
            continue
        until_s = request.due_s + step_s
        if unbroken and spans[-1].node == request.node:
            spans[-1] = NodeSpan(request.node, spans[-1].from_s, until_s)
        else:
            spans.append(NodeSpan(request.node, request.due_s, until_s))
        unbroken = True
    return spans


def holding(repeat: Repeat, node: str) -> list[NodeSpan]:
    """When a node held the address, as it was sampled."""
    spans: list[NodeSpan] = []
    every = holder_timeline.stretches(repeat.holders, 0.0, repeat.duration_s)
    for held, together in groupby(every, key=lambda stretch: node in stretch[2]):
        if held:
            parts = list(together)
            spans.append(NodeSpan(node, parts[0][0], parts[-1][1]))
    return spans


def _draw_spans(
    panel: Panel, spans: list[NodeSpan], nodes: tuple[str, ...], y: float, *, name: bool
) -> Iterator[str]:
    paths: dict[str, list[str]] = {}
    labels: list[str] = []
    for span in spans:
        found = panel.span(span.from_s, span.to_s)
        if found is None:
            continue
        left, width = found
        paths.setdefault(span.node, []).append(box(left, y, width, LANE_PX))
        if name and width > len(span.node) * CHARACTER_PX + 12:
            labels.append(text(left + 6, y + 14.5, span.node, class_="in b m"))
    for node, drawn in paths.items():
        place = nodes.index(node) if node in nodes else len(nodes)
        yield element("path", class_=node_class(place), d="".join(drawn))
    yield from labels
