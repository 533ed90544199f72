"""Reads where the kernel sends packets from, and who else sets addresses. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from verify.read.lists import listed

IP = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Route:
    """How packets leave for an address. `problem` says why they do not; "" if they do."""

    interface: str = ""
    source: IP | None = None
    problem: str = ""
    by_router: bool = False


def routes(text: str) -> tuple[Route, ...]:
    """`ip -j -force -batch` with a line `route get ADDRESS` for each: an answer for each, in that
    order. Raises ValueError for anything else."""
    found: list[Route] = []
    failed: dict[int, Route] = {}
    reason = ""
    for line in text.splitlines():
        if line.startswith("["):
            (its,) = json.loads(line)
            source = ip_address(its["prefsrc"])
            found.append(Route(its["dev"], source, by_router="gateway" in its or "via" in its))
        elif line.startswith(("RTNETLINK answers: ", "Error: ")):
            reason = line.partition(": ")[2]
        elif failure := re.fullmatch(r"Command failed -:(\d+)", line):
            failed[int(failure[1])] = Route(problem=reason or "no route")
        elif line.strip():
            raise ValueError(line)
    # The complaints come on another stream: each names its line.
    for number in sorted(failed):
        found.insert(number - 1, failed[number])
    return tuple(found)


@dataclass(frozen=True)
class Mention:
    """A line of a configuration file."""

    file: str
    line: str

    @property
    def comment(self) -> bool:
        return self.line.lstrip().startswith(("#", ";", "!"))


def mentions(text: str) -> tuple[Mention, ...]:
    """`grep -H`'s FILE:LINE for each, or `none`. Raises ValueError for anything else."""
    found = []
    for each in listed(text):
        file, colon, line = each.partition(":")
        if not colon or not file.startswith("/"):
            raise ValueError(each)
        found.append(Mention(file, line))
    return tuple(found)


@dataclass(frozen=True)
class Identity:
    """Who a machine says it is; `machine_id` is "" where it has none."""

    machine_id: str
    hostname: str


def identity(text: str) -> Identity:
    """Lines `machine-id ID` and `hostname NAME`. Raises ValueError for anything else."""
    said = dict(line.split(" ", 1) for line in text.splitlines())
    if said.keys() != {"machine-id", "hostname"} or not said["hostname"]:
        raise ValueError("no machine-id and hostname")
    known = re.fullmatch(r"[0-9a-f]{32}", said["machine-id"])
    return Identity(said["machine-id"] if known else "", said["hostname"])
