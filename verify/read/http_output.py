"""Reads HTTP answers as `curl -si` prints them. Pure; text in, values out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser

SWITCHING_PROTOCOLS = 101


@dataclass(frozen=True)
class Response:
    """An HTTP answer. `seconds` is None where it was not measured."""

    status: int
    headers: Message
    body: str
    seconds: float | None = None


# An answer's head, up to the line without anything.
_HEAD = re.compile(r"HTTP/[\d.]+ (\d{3})(?: ([^\n]*))?\n((?:[^\n]+\n)*)\n")
# Of curl, with six digits (three before 7.61).
_SECONDS = re.compile(r"\d+\.\d{3,6}")


def response(text: str, *, timed: bool = False) -> Response:
    """`curl -si`'s output; `timed`: with the time in a last line of its own.

    What comes before the answer is passed over: interim answers (100 Continue, 103 Early Hints) and
    a proxy's word that it is connected. curl's exit status tells whether the body is whole. Raises
    ValueError where there is no whole head.
    """
    seconds = None
    if timed:
        text, _, last = text.rpartition("\n")
        if not _SECONDS.fullmatch(last):
            raise ValueError(f"no time at the end: {last[:80]!r}")
        seconds = float(last)
    text = text.replace("\r\n", "\n")
    while head := _HEAD.match(text):
        status, reason, lines = int(head[1]), head[2] or "", head[3]
        text = text[head.end() :]
        interim = status in range(100, 200) and status != SWITCHING_PROTOCOLS
        connected = "connection established" in reason.lower() and text.startswith("HTTP/")
        if not interim and not connected:
            return Response(status, Parser().parsestr(lines), text, seconds)
    raise ValueError(f"no HTTP answer: {text[:80]!r}")


def stub_status(body: str) -> tuple[int, int, int]:
    """nginx's counters: accepted, handled, requests."""
    numbers = re.fullmatch(
        r"Active connections: \d+ *\nserver accepts handled requests *\n (\d+) (\d+) (\d+) *\n"
        r"Reading: \d+ Writing: \d+ Waiting: \d+\s*",
        body,
    )
    if not numbers:
        raise ValueError("no stub_status counters")
    return int(numbers[1]), int(numbers[2]), int(numbers[3])
