"""One panel of a drill's picture: a dot per request over time, the fault shaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drills.report.outcome_marks import MARKS
from drills.results import FaultInterval, Repeat, Request, RequestOutcome, Window
from report import wording
from report.scales import Decades, Straight
from report.svg import box, element, number
from report.svg import words as text

CHARACTER_PX = 6.7  # of the pictures' 13 px type, on average
BOLD_PX = 7.6
# A shorter mark would not be visible.
NARROWEST_PX = 2.0
# Where names of faults begin: between answers and timeouts, where hardly any request is.
NAMES_S = 0.07


@dataclass(frozen=True)
class Panel:
    """Where things are. `cell` (pixels): answered requests closer than that become one dot."""

    time: Straight
    latency: Decades
    cell: float

    @property
    def left(self) -> float:
        return self.time.start

    @property
    def width(self) -> float:
        return self.time.end - self.time.start

    @property
    def top(self) -> float:
        return self.latency.end

    @property
    def bottom(self) -> float:
        return self.latency.start

    def shows(self, at_s: float) -> bool:
        return self.time.low <= at_s <= self.time.high

    def span(self, from_s: float, to_s: float) -> tuple[float, float] | None:
        """Left edge and width of what of an interval is in the panel; None when nothing is."""
        if to_s < self.time.low or from_s > self.time.high:
            return None
        left = self.time(max(from_s, self.time.low))
        right = self.time(min(to_s, self.time.high))
        return left, max(right - left, NARROWEST_PX)


def draw(panel: Panel, repeat: Repeat, *, name_faults: bool, split: bool) -> str:
    """`split`: say also how the outage divides into detection and takeover."""
    return "".join(
        [
            _shading(panel, repeat),
            _grid(panel),
            "".join(_dots(panel, repeat.requests)),
            "".join(_fault_names(panel, repeat.faults)) if name_faults else "",
            "".join(_brackets(panel, repeat.windows, split=split)),
        ]
    )


def answered_dots(panel: Panel, requests: Iterable[Request]) -> list[tuple[int, int]]:
    """The pixels of answered requests, one for those that would cover each other, left to right."""
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    for request in requests:
        x, y = panel.time(request.due_s), height(panel, request)
        cells.setdefault((int(x / panel.cell), int(y / panel.cell)), (round(x), round(y)))
    return sorted(cells.values())


def height(panel: Panel, request: Request) -> float:
    """Where a request is on the scale of latencies; what never ended is at its top."""
    taken_s = request.total_s if request.total_s is not None else request.connect_s
    return panel.top + 6 if taken_s is None else panel.latency(taken_s)


def _dots(panel: Panel, requests: tuple[Request, ...]) -> Iterator[str]:
    """A path per class. Answered requests go first, so that they hide no lost one."""
    by_class: dict[RequestOutcome, list[Request]] = {outcome: [] for outcome in MARKS}
    for request in requests:
        if panel.shows(request.due_s):
            by_class[request.outcome].append(request)
    path: list[str] = []
    before = (0, 0)
    for x, y in answered_dots(panel, by_class.pop(RequestOutcome.OK)):
        # As steps from dot to dot: half as long as places.
        path.append(f"m{x - before[0]} {y - before[1]}h0")
        before = (x, y)
    if path:
        yield element("path", class_=RequestOutcome.OK.value, d="".join(path))
    for outcome, lost in by_class.items():
        mark = MARKS[outcome]
        places = [mark.at(panel.time(request.due_s), height(panel, request)) for request in lost]
        if places:
            yield element("path", class_=outcome.value, d="".join(places))


def _shading(panel: Panel, repeat: Repeat) -> str:
    shades = [("fault", fault.from_s, fault.to_s) for fault in repeat.faults]
    shades += [("out", window.from_s, window.to_s) for window in repeat.windows]
    drawn: dict[str, list[str]] = {}
    for kind, from_s, to_s in shades:
        if found := panel.span(from_s, to_s):
            left, width = found
            drawn.setdefault(kind, []).append(box(left, panel.top, width, panel.bottom - panel.top))
    return "".join(element("path", class_=kind, d="".join(d)) for kind, d in drawn.items())


def _grid(panel: Panel) -> str:
    lines = [
        f"M{number(panel.left)} {number(panel.latency(s))}h{number(panel.width)}"
        for s in panel.latency.ticks()
    ]
    lines += [
        f"M{number(panel.time(s))} {number(panel.top)}V{number(panel.bottom)}"
        for s in panel.time.ticks(_ticks_for(panel))
    ]
    return element("path", class_="grid", d="".join(lines))


def _ticks_for(panel: Panel) -> int:
    return max(2, int(panel.width / 80))


def time_axis(panel: Panel, y: float) -> str:
    """The times under the last lane."""
    ticks = panel.time.ticks(_ticks_for(panel))
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2 if step >= 0.01 else 3
    return "".join(
        text(panel.time(s), y, f"{s:.{digits}f} s", class_="s", text_anchor="middle") for s in ticks
    )


def _fault_names(panel: Panel, faults: tuple[FaultInterval, ...]) -> Iterator[str]:
    """Each kind of fault is named once, where it begins first; names are below one another."""
    groups: dict[str, list[FaultInterval]] = {}
    for fault in faults:
        on = f" on {fault.node}" if fault.node and fault.node not in fault.label else ""
        groups.setdefault(f"{fault.label}{on}", []).append(fault)
    for place, (name, found) in enumerate(groups.items()):
        spans = [span for fault in found if (span := panel.span(fault.from_s, fault.to_s))]
        if not spans:
            continue
        label = name if len(found) == 1 else f"{name}, {len(found)} times"
        left, _ = spans[0]
        fits = left + 6 + len(label) * BOLD_PX < panel.left + panel.width
        x = left + 6 if fits else panel.left + panel.width - 6
        anchor = None if fits else "end"
        yield text(
            x, panel.latency(NAMES_S) + 17 * place, label, class_="tell b halo", text_anchor=anchor
        )


def _brackets(panel: Panel, windows: tuple[Window, ...], *, split: bool) -> Iterator[str]:
    """Above the panel, over each outage, how long it was; where there is no room, only the line."""
    y = panel.top - 7
    free_from = panel.left - 30
    longest = max(windows, key=lambda window: window.outage_s, default=None)
    for window in sorted(windows, key=lambda window: window.from_s):
        found = panel.span(window.from_s, window.to_s)
        if found is None:
            continue
        left, width = found
        path = f"M{number(left)} {number(y)}v4v-4h{number(width)}v4"
        label = ("at least " if window.open else "") + wording.duration(window.outage_s)
        if split and window is longest and window.moved_at_s is not None:
            path += f"M{number(panel.time(window.moved_at_s))} {number(y)}v6"
            label += (
                f" = detection {wording.duration(window.detection_s or 0)}"
                f" + takeover {wording.duration(window.takeover_s or 0)}"
            )
        yield element("path", class_="edge", d=path)
        half = len(label) * BOLD_PX / 2
        middle = min(max(left + width / 2, panel.left + half), panel.left + panel.width - half)
        if middle - half > free_from:
            yield text(middle, y - 5, label, class_="tell b", text_anchor="middle")
            free_from = middle + half + 6
