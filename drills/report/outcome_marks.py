"""How the pictures draw what became of a request: a mark for each outcome, and their stylesheet."""

from __future__ import annotations

from functools import cache

from drills.outcomes import RequestOutcome
from report import palette
from report.palette import Mark

_STROKE = "stroke-width:2.2"
MARKS = {
    RequestOutcome.OK: Mark(
        "answered", "#4393cf", "#63aee4", style="stroke-width:3;stroke-linecap:round"
    ),
    RequestOutcome.REFUSED: Mark(
        "refused", "#cf0f6c", "#ff5fa8", style="stroke-width:5.5;stroke-linecap:square"
    ),
    RequestOutcome.CONNECT_TIMEOUT: Mark("connect timeout", "#d97e00", "#ffac33"),
    RequestOutcome.HOST_UNREACH: Mark(
        "host unreachable", "#97400a", "#e08a52", "m0-4l4 7h-8z", "", filled=True
    ),
    RequestOutcome.RESET: Mark("reset", "#6a3fb8", "#b795f5", "m-3.5-3.5l7 7m0-7l-7 7", _STROKE),
    RequestOutcome.EMPTY: Mark(
        "empty", "#00796b", "#3fc9b5", "m0-4.5l4.5 4.5-4.5 4.5-4.5-4.5z", _STROKE
    ),
    RequestOutcome.READ_TIMEOUT: Mark(
        "read timeout", "#7d6a00", "#d9c22b", "m0 4l4-7h-8z", "", filled=True
    ),
    RequestOutcome.HTTP_5XX: Mark("HTTP 5xx", "#20252c", "#f0f2f4", "m-3.5-3.5h7v7h-7z", _STROKE),
    RequestOutcome.WRONG_BODY: Mark(
        "wrong body", "#606b78", "#b4bec9", "m-4.5 0h9m-4.5-4.5v9", _STROKE
    ),
}


@cache
def stylesheet() -> str:
    """The styles of every picture, with those of the marks."""
    return palette.stylesheet({outcome.value: mark for outcome, mark in MARKS.items()})
