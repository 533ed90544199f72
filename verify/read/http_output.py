"""Reads HTTP answers as `curl -si` prints them. Pure; text in, values out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from typing import NamedTuple

from verify.read.lists import counted

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


def ports(text: str) -> dict[str, str]:
    """What became of each connection that was asked for, "ok" or the problem, by "[ADDRESS]:PORT".
    Raises ValueError for what is no whole list."""
    *lines, last = text.splitlines() or [""]
    if last != f"asked {len(lines)}":
        raise ValueError("the list is not whole")
    found = dict(line.split(" ", 1) for line in lines)
    if not all(re.fullmatch(r"\[[\da-f.:]+\]:\d+", each) for each in found):
        raise ValueError("no addresses")
    return found


# How curl says what went wrong.
_PROBLEMS = {
    5: "its name is not known",
    6: "its name is not known",
    7: "refuses the connection",
    35: "has no TLS session",
    52: "gives an empty answer",
    56: "resets the connection",
    60: "shows a certificate that nginx does not believe",
    77: "cannot be believed: the authorities' file is not there",
}
_NOT_CONNECTED, _NO_TIME = 7, 28


class AskedServer(NamedTuple):
    """A server behind nginx that a machine has asked. `whose`: the upstream, or the file, that
    names it; `problem`: why it does not serve, "" if it does."""

    address: str
    whose: str
    problem: str


def servers(text: str) -> tuple[AskedServer, ...]:
    """Raises ValueError for what is no whole list."""
    return tuple(sorted(map(_server, counted(text, "{} servers"))))


def _server(line: str) -> AskedServer:
    how, code, connected_s, address, whose = line.split(" ")
    if how not in ("http", "tls", "tcp"):
        raise ValueError(line)
    connected = connected_s != "-" and float(connected_s) > 0
    status = int(code)
    if not status or (how != "http" and connected):
        problem = ""
    elif status == _NO_TIME:
        problem = "accepts, and does not answer" if connected else "does not accept a connection"
    else:
        problem = _PROBLEMS.get(status, f"does not answer as HTTP (curl exits {status})")
        if status == _NOT_CONNECTED and address.startswith("unix:"):
            problem = "is not there, or does not let the user nginx write to it"
    return AskedServer(address, whose, problem)
