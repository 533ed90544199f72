"""Reads what keepalived prints and is configured with. Pure; text in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_interface
from typing import Any

from pydantic import BaseModel, field_validator

from verify.read.blocks import Block, blocks
from verify.read.lists import counted, listed

# In this order the watch writes of them.
OVERLOADS = ("full", "busy")


class VrrpState(IntEnum):
    """As keepalived numbers them."""

    INIT, BACKUP, MASTER, FAULT = range(4)


# The counters of what went wrong with adverts that were received; the last three only where
# keepalived was compiled with authentication.
ERROR_COUNTERS = (
    *("packet_len_err", "advert_interval_err", "ip_ttl_err", "invalid_type_rcvd", "addr_list_err"),
    *("invalid_authtype", "authtype_mismatch", "auth_failure"),
)
ALWAYS_COUNTED = ERROR_COUNTERS[:5]


class Vrrp(BaseModel):
    """One instance as keepalived's JSON has it."""

    ifp_ifname: str = ""
    vrid: int
    version: int
    state: VrrpState
    wantstate: VrrpState
    base_priority: int
    effective_priority: int
    master_priority: int = 0
    adver_int: float
    auth_type: int = 0
    vips: tuple[str, ...] = ()
    last_transition: float = 0
    stats: dict[str, int]

    @field_validator("vips")
    @classmethod
    def _with_prefix(cls, vips: tuple[str, ...]) -> tuple[str, ...]:
        """keepalived leaves the prefix of a single address out."""
        words = [text.partition(" ") for text in vips]
        return tuple(f"{ip_interface(vip)}{space}{more}" for vip, space, more in words)

    @property
    def errors(self) -> dict[str, int]:
        """The counters of bad adverts that are not 0. Raises LookupError where they are missing."""
        for name in ALWAYS_COUNTED:
            self.stats[name]
        return {name: self.stats[name] for name in ERROR_COUNTERS if self.stats.get(name)}


def instances(text: str) -> tuple[Vrrp, ...]:
    """keepalived's JSON: a bare list up to 2.2.7, in later versions an object."""
    data: Any = json.loads(text)
    listed = data["vrrp"] if isinstance(data, dict) else data
    return tuple(Vrrp.model_validate(one["data"] | {"stats": one["stats"]}) for one in listed)


def version(text: str) -> tuple[str, bool]:
    """keepalived's version, and whether it can write its state as JSON."""
    found = re.search(r"^Keepalived v(\d+(?:\.\d+)+)", text, re.MULTILINE)
    if not found:
        raise ValueError("no line 'Keepalived v…'")
    options = re.search(r"^Config options:(.*)", text, re.MULTILINE)
    return found[1], bool(options and "JSON" in options[1].split())


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_TOKEN = re.compile(
    r"""(?P<quoted>"(?:\\.|[^"\\])*")|[#!][^\n]*|(?P<mark>[{}\n])|(?P<word>[^\s{}#!"]+)"""
)


def configuration(text: str) -> Block:
    """keepalived.conf as blocks. Comments and layout are gone: equal means equal in meaning. Raises
    ValueError where braces do not match, and where there is no block at all."""
    found = blocks(_TOKEN, text + "\n")
    if not any(inner.block for inner in found.block):
        raise ValueError("no block")
    return found


def lines(block: Block, indent: str = "") -> Iterator[str]:
    """The blocks as lines in one fixed layout, to be compared or shown."""
    for inner in block.block:
        yield indent + " ".join(inner.words) + (" {" if inner.block else "")
        if inner.block:
            yield from lines(inner, indent + "    ")
            yield indent + "}"


@dataclass(frozen=True)
class Advert:
    """One advert that a machine heard."""

    source: str
    version: int
    vrid: int
    priority: int


@dataclass(frozen=True)
class Heard:
    """The adverts, and the MACs that answered for the VIP."""

    adverts: tuple[Advert, ...]
    macs: frozenset[str]


def heard(text: str) -> Heard:
    """The VRRP listener's output, whose last line counts the others. Raises ValueError for anything
    else."""
    adverts: list[Advert] = []
    macs: set[str] = set()
    for line in counted(text, "heard {}"):
        match line.split():
            case ["vrrp", src, ver, vrid, prio]:
                adverts.append(Advert(src, int(ver), int(vrid), int(prio)))
            case ["arp", mac] if _MAC.fullmatch(mac):
                macs.add(mac)
            case _:
                raise ValueError(line)
    return Heard(tuple(adverts), frozenset(macs))


_STEP = re.compile(r"\s*([bcdlps-][-rwxsStT]{9}) (\S+) +(\S+) +(.+)")


@dataclass(frozen=True)
class PathStep:
    """One step of a path, as `namei -l` shows it."""

    mode: str
    owner: str
    group: str
    name: str
    path: str

    @property
    def writable_by_others(self) -> bool:
        """By anybody but root. A link's own mode says nothing; what it leads to is listed too."""
        group_may = self.mode[5] == "w" and self.group != "root"
        link = self.mode.startswith("l")
        return self.owner != "root" or (not link and (group_may or self.mode[8] == "w"))


def path_steps(text: str) -> tuple[PathStep, ...]:
    """Every step of every path in `namei -l`'s output, of which there may be "none". Raises
    ValueError for a missing file, and for a path without a step."""
    parts: list[PathStep] = []
    path, led = "", True
    for line in listed(text):
        if line.startswith("f: "):
            if not led:
                raise ValueError(f"no step of {path}")
            path, led = line.removeprefix("f: "), False
        elif path and (step := _STEP.fullmatch(line)):
            parts.append(PathStep(step[1], step[2], step[3], step[4], path))
            led = True
        else:
            raise ValueError(line.strip())
    if not led:
        raise ValueError(f"no step of {path}")
    return tuple(parts)


@dataclass(frozen=True)
class ScriptRun:
    """A check script, run once. `status` None: it was not, because others may write it."""

    status: int | None
    milliseconds: int
    command: str


def script_runs(text: str) -> tuple[ScriptRun, ...]:
    """Lines of exit status (or `untrusted`), milliseconds and command; the last one counts them."""
    fields = (line.split(" ", 2) for line in counted(text, "{} scripts"))
    return tuple(
        ScriptRun(None if status == "untrusted" else int(status), int(milliseconds), command)
        for status, milliseconds, command in fields
    )


def secrets(text: str) -> tuple[tuple[bool, int], ...]:
    """Of each shared secret in keepalived.conf: whether it is the inventory's, and its length."""
    words = {"same": True, "different": False}
    fields = (line.split() for line in counted(text, "{} secrets"))
    return tuple((words[verdict], int(length)) for verdict, length in fields)


def drains(text: str) -> tuple[str, ...]:
    """Which of the files that drain a node are there."""
    found = {}
    for line in text.splitlines():
        said, path = line.split(" ", 1)
        found[path] = {"there": True, "absent": False}[said]
    if len(found) != 2:
        raise ValueError(f"{len(found)} files, not 2")
    return tuple(path for path, there in found.items() if there)


def watch_says(text: str) -> dict[str, str]:
    """The watch's verdicts, 0 or 1, by name; "none" where it has written none."""
    found = dict(line.split() for line in text.splitlines())
    if found.keys() != {"failed", "last-resort"} or not set(found.values()) <= {"0", "1", "none"}:
        raise ValueError("not the watch's two verdicts")
    return found


@dataclass(frozen=True)
class Overload:
    """The last time that nginx was `kind`, "full" or "busy"; `count`: how often it was so since the
    watch was started. `ended_ago_s`: None while it goes on."""

    kind: str
    count: int
    seconds: float
    ended_ago_s: float | None


@dataclass(frozen=True)
class Overloads:
    """What the watch has seen of each kind that there was, None where it has written nothing; and
    how many seconds ago nginx refused a connection for want of room, as its log says: None for
    never."""

    seen: tuple[Overload, ...] | None
    refused_ago_s: int | None


def overloads(text: str) -> Overloads:
    """Raises ValueError for what is not that."""
    head, *lines, last = text.splitlines()
    word, now = head.split()
    if word != "uptime":
        raise ValueError("not for how long the machine has been up")
    word, ago = last.split()
    if word != "refused":
        raise ValueError("not when nginx had no room")
    return Overloads(_seen(float(now), lines), None if ago == "never" else int(ago))


def _seen(now_s: float, lines: list[str]) -> tuple[Overload, ...] | None:
    if lines == ["none"]:
        return None
    rows = [line.split() for line in lines]
    if tuple(kind for kind, *_ in rows) != OVERLOADS:
        raise ValueError("not the watch's two kinds")
    return tuple(_overload(now_s, *row) for row in rows if int(row[1]))


def _overload(now_s: float, kind: str, count: str, began: str, ended: str) -> Overload:
    ended_s = now_s if ended == "-" else float(ended)
    ago_s = None if ended == "-" else now_s - ended_s
    return Overload(kind, int(count), ended_s - float(began), ago_s)
