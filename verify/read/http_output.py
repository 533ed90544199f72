"""Reads HTTP answers as `curl -si` prints them. Pure; text in, values out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser


@dataclass(frozen=True)
class Response:
    """An HTTP answer. `seconds` is None where it was not measured."""

    status: int
    headers: Message
    body: str
    seconds: float | None = None


def response(text: str, *, timed: bool = False) -> Response:
    """`curl -si`'s output; `timed`: with the time in a last line of its own."""
    seconds = None
    if timed:
        text, _, last = text.rpartition("\n")
        seconds = float(last)
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    status_line, _, lines = head.partition("\n")
    status = re.match(r"HTTP/\S+ (\d{3})", status_line)
    if not status:
        raise ValueError(f"no HTTP answer: {status_line[:80]!r}")
    return Response(int(status[1]), Parser().parsestr(lines), body, seconds)


def stub_status(body: str) -> tuple[int, int, int]:
    """nginx's counters: accepted, handled, requests."""
    numbers = re.search(r"server accepts handled requests\s+(\d+) (\d+) (\d+)", body)
    if not numbers:
        raise ValueError("no stub_status counters")
    return int(numbers[1]), int(numbers[2]), int(numbers[3])
