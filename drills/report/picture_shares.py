"""The lane of who answered where routers spread what comes: each node's share at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from drills.report.picture_panel import Panel
from drills.results import Request, RequestOutcome
from report.palette import node_class
from report.svg import box, element

SHARE_S = 0.1


def shares(requests: Iterable[Request]) -> dict[int, Counter[str]]:
    """By tenth of a second: how many requests that were due each node has answered."""
    bins: dict[int, Counter[str]] = {}
    for request in requests:
        if request.outcome is RequestOutcome.OK:
            # Due times are multiples of 1/rate: see `lost_bins`.
            place = int(request.due_s / SHARE_S + 1e-6)
            bins.setdefault(place, Counter())[request.node] += 1
    return bins


def lane(
    panel: Panel, requests: Iterable[Request], nodes: tuple[str, ...], y: float, high: float
) -> Iterator[str]:
    """Boxes one above the other, as high as the lane together; the first node's at the top."""
    paths: dict[int, list[str]] = {}
    for place, answered in shares(requests).items():
        found = panel.span(place * SHARE_S, (place + 1) * SHARE_S)
        if found is None:
            continue
        top, all_of_them = y, sum(answered.values())
        order = {node: nodes.index(node) if node in nodes else len(nodes) for node in answered}
        for node in sorted(answered, key=lambda node: order[node]):
            tall = answered[node] / all_of_them * high
            paths.setdefault(order[node], []).append(box(found[0], top, found[1], tall))
            top += tall
    for number in sorted(paths):
        yield element("path", class_=node_class(number), d="".join(paths[number]))
