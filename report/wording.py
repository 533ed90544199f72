"""How the pages say durations, counts and moments."""

from __future__ import annotations

import math
from datetime import datetime

MINUS = "\N{MINUS SIGN}"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
# Below so many seconds: the unit, in seconds, the digits behind its point, and its name.
_STEPS = (
    (0.00995, 0.001, 1, "ms"),
    (0.0995, 0.001, 0, "ms"),
    (9.995, 1, 2, "s"),
    (99.95, 1, 1, "s"),
    (120, 1, 0, "s"),
    (math.inf, 60, 0, "min"),
)


def duration(seconds: float) -> str:
    """To two or three digits, as a person would say it: 0 s, 4.2 ms, 43 ms, 0.37 s, 31 min."""
    if seconds < 0:
        return MINUS + duration(-seconds)
    if seconds == 0:
        return "0 s"
    _, unit_s, digits, unit = next(step for step in _STEPS if seconds < step[0])
    return f"{seconds / unit_s:.{digits}f} {unit}"


def count(number: int, one: str, many: str = "") -> str:
    """`1 request`, `2 requests`, `1 400 requests`."""
    return f"{grouped(number)} {one if number == 1 else many or one + 's'}"


def grouped(number: int) -> str:
    """Thousands apart, by a space that does not break."""
    return f"{number:,}".replace(",", THIN_SPACE)


def listed(words: list[str] | tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def moment(iso: str) -> str:
    """`2026-11-22 13:59:14 UTC`; what is no ISO 8601 time is returned as it is."""
    try:
        found = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    zone = found.strftime("%z")
    said = {"": "", "+0000": " UTC"}.get(zone, f" {zone[:3]}:{zone[3:]}")
    return f"{found:%Y-%m-%d %H:%M:%S}{said}"
