"""Reads what birdc prints (BIRD 2), and BIRD's configuration. Pure; text in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from verify.read.blocks import Block, blocks
from verify.read.lists import counted

ESTABLISHED = "Established"
# RFC 8326: whoever is about to go.
GRACEFUL_SHUTDOWN = "(65535,0)"
_READY = re.compile(r"BIRD \d+(\.\d+)+\S* ready\.")
# What birdc has to say before it can show a thing.
_RESTRICTED = "Access restricted"


def _shown(text: str) -> list[str]:
    """The lines after BIRD's greeting. Raises ValueError where it has not said that it is there."""
    lines = text.splitlines()
    if not lines or not _READY.fullmatch(lines[0]):
        raise ValueError("BIRD has not said that it is ready")
    return [line for line in lines[1:] if line.rstrip() != _RESTRICTED]


def version(text: str) -> str:
    """`bird --version`, which a library may have warned before. Raises ValueError for anything
    else."""
    found = re.fullmatch(r"BIRD version (\S+)", text.strip().rpartition("\n")[2])
    if not found:
        raise ValueError("no 'BIRD version …'")
    return found[1]


@dataclass(frozen=True)
class BirdStatus:
    """`read_at`, `written`: when BIRD has read its file last, and when that was written; in seconds
    since the epoch."""

    router_id: str
    read_at: float
    written: float


def status(text: str) -> BirdStatus:
    """`birdc show status`, and lines `read` and `written`. Raises ValueError or LookupError."""
    said = dict(line.rsplit(" ", 1) for line in _shown(text) if " " in line)
    if said.get("Daemon is up and") != "running":
        raise ValueError("BIRD does not say that it runs")
    return BirdStatus(said["Router ID is"], float(said["read"]), float(said["written"]))


@dataclass(frozen=True)
class BirdProtocol:
    """One of BIRD's protocols; `info` is a BGP session's state, `details` what stands below it."""

    name: str
    kind: str
    state: str
    since: str
    info: str = ""
    details: dict[str, str] = field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        return self.state == "up"

    @property
    def imported(self) -> int:
        """How many routes of its are taken."""
        return int(self.details.get("Routes", "0 imported").split()[0])

    @property
    def heard(self) -> int:
        """How many updates of routes it has sent since the session is there, taken or not."""
        return int(self.details.get("Import updates", "0").split()[0])

    @property
    def withdrawn(self) -> int:
        """How many times it has taken one back since then."""
        return int(self.details.get("Import withdraws", "0").split()[0])

    @property
    def is_of_today(self) -> bool:
        """Whether it is as it is for less than 20 hours: of what is older BIRD says the day."""
        return ":" in self.since


_HEAD = ["Name", "Proto", "Table", "State", "Since", "Info"]
_DETAIL = re.compile(r" {2,}([A-Z][^:]*):\s*(.*)")


def protocols(text: str) -> dict[str, BirdProtocol]:
    """`birdc show protocols all`, by name. Raises ValueError or LookupError for anything else, and
    where there is none: there is always one."""
    head, *lines = _shown(text)
    if head.split() != _HEAD:
        raise ValueError("no head of columns")
    found = {}
    # A blank line ends each.
    for paragraph in "\n".join(lines).strip("\n").split("\n\n"):
        first, *more = paragraph.splitlines()
        name, kind, _, state, *since = first.split(None, 5)
        # Today's are a time alone; another day's a date, or both.
        info = since[1].split() if len(since) > 1 else []
        matches = filter(None, map(_DETAIL.fullmatch, more))
        details = {match[1]: match[2] for match in matches}
        found[name] = BirdProtocol(name, kind, state, since[0], " ".join(info), details)
    return found


@dataclass(frozen=True)
class BfdSession:
    """What BFD knows of one neighbour.

    `interval_s`: between two packets of ours, as both sides have agreed on; the neighbour notices
    when as many as our multiplier says are missing. `timeout_s`: after that silence we notice, by
    the neighbour's interval and multiplier.
    """

    state: str
    since: str
    interval_s: float
    timeout_s: float


_BFD_HEAD = ["IP", "address", "Interface", "State", "Since", "Interval", "Timeout"]


def bfd_sessions(text: str) -> dict[IPv4Address | IPv6Address, BfdSession]:
    """`birdc show bfd sessions`, by the neighbour's address. Raises ValueError for anything else;
    where no protocol is BFD there is none."""
    found: dict[IPv4Address | IPv6Address, BfdSession] = {}
    lines = _shown(text)
    if not lines:
        raise ValueError("nothing of BFD's")
    if lines[0].startswith("There is no BFD"):
        return found
    for line in filter(str.strip, lines):
        words = line.split()
        if words == _BFD_HEAD or (len(words) == 1 and line.endswith(":")):
            continue
        address, _, state, *since, interval, timeout = words
        its = BfdSession(state, " ".join(since), float(interval), float(timeout))
        found[ip_address(address)] = its
    return found


@dataclass(frozen=True)
class ExportedRoute:
    """A route as a router is told it."""

    prefix: str
    path: tuple[str, ...] = ()
    communities: frozenset[str] = frozenset()


_ROUTE = re.compile(r"(\S+/\d+)\s+(?:unicast|blackhole|unreachable|prohibit)\b.*")
_ATTRIBUTE = re.compile(r"\t([\w.]+): ?(.*)")
NO_TABLE = "No valid tables"


def exported(text: str) -> tuple[ExportedRoute, ...]:
    """`birdc show route export SESSION all`: none where the session is down. Raises ValueError for
    anything else."""
    rows: list[tuple[str, dict[str, str]]] = []
    lines = _shown(text)
    if not lines:
        return ()
    for line in lines:
        if route := _ROUTE.fullmatch(line):
            rows.append((str(ip_network(route[1])), {}))
        elif rows and (attribute := _ATTRIBUTE.fullmatch(line)):
            rows[-1][1][attribute[1]] = attribute[2]
        # (A next hop of the route itself: it is the machine's own business.)
        elif line.strip() and line != NO_TABLE and not re.match(r"Table \w+:$|\t(via|dev) ", line):
            raise ValueError(line)
    return tuple(
        ExportedRoute(
            prefix,
            tuple(attributes.get("BGP.as_path", "").split()),
            frozenset(attributes.get("BGP.community", "").split()),
        )
        for prefix, attributes in rows
    )


def kernel_routes(text: str) -> tuple[str, ...]:
    """Two lines of `ip -j route show … proto bird`: where these routes lead to. Raises ValueError
    for anything else."""
    both = text.splitlines()
    if len(both) != 2:
        raise ValueError("not one line for each family")
    found = [route for line in both for route in json.loads(line)]
    return tuple(str(route["dst"]) for route in found if route != {})


def passwords(text: str) -> dict[str, bool]:
    """Of each session whether its password is the inventory's. Raises ValueError."""
    found = dict(line.split() for line in counted(text, "{} sessions"))
    if set(found.values()) - {"same", "different"}:
        raise ValueError("neither same nor different")
    return {name: how == "same" for name, how in found.items()}


_TOKEN = re.compile(
    r'(?P<quoted>"[^"\n]*")|#[^\n]*|/\*.*?\*/|(?P<mark>[{};])|(?P<word>[^\s{};"#]+)', re.DOTALL
)


def configuration(text: str) -> Block:
    """bird.conf as blocks, without comments. Raises ValueError where braces do not match, and where
    there is no block."""
    found = blocks(_TOKEN, text)
    if not any(inner.block for inner in found.block):
        raise ValueError("no block")
    return found


def statements(block: Block) -> Iterator[str]:
    """What stands in a block, in a line each; of what has a block of its own its head, and what is
    in there after it."""
    for inner in block.block:
        yield " ".join(inner.words)
        yield from statements(inner)
