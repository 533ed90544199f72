"""Reads what keepalived prints and is configured with. Pure; text in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pydantic import BaseModel

from verify.read.blocks import Block, blocks


class VrrpState(IntEnum):
    """As keepalived numbers them."""

    INIT, BACKUP, MASTER, FAULT = range(4)


# The counters of what went wrong with adverts that were received.
ERROR_COUNTERS = (
    *("packet_len_err", "advert_interval_err", "ip_ttl_err", "invalid_type_rcvd"),
    *("addr_list_err", "invalid_authtype", "authtype_mismatch", "auth_failure"),
)


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

    @property
    def errors(self) -> dict[str, int]:
        """The counters of bad adverts that are not 0."""
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


_TOKEN = re.compile(
    r"""(?P<quoted>"(?:\\.|[^"\\])*")|[#!][^\n]*|(?P<mark>[{}\n])|(?P<word>[^\s{}#!"]+)"""
)


def configuration(text: str) -> Block:
    """keepalived.conf as blocks. Comments and layout are gone: equal means equal in meaning."""
    return blocks(_TOKEN, text + "\n")


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
    """The VRRP listener's output. Raises ValueError for anything else."""
    adverts: list[Advert] = []
    macs: set[str] = set()
    for line in text.splitlines():
        match line.split():
            # The longer form is that of earlier snapshots, with time to live and interval.
            case ["vrrp", src, ver, vrid, prio] | ["vrrp", src, _, ver, vrid, prio, _]:
                adverts.append(Advert(src, int(ver), int(vrid), int(prio)))
            case ["arp", mac]:
                macs.add(mac)
            case _:
                raise ValueError(line)
    return Heard(tuple(adverts), frozenset(macs))


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
    """Every step of every path in `namei -l`'s output. Raises ValueError for a missing file."""
    parts: list[PathStep] = []
    path = ""
    for line in text.splitlines():
        fields = line.split()
        if fields[:1] == ["f:"]:
            path = line.removeprefix("f: ")
        elif len(fields) >= 4 and len(fields[0]) == 10:
            mode, owner, group, name, *_ = fields
            parts.append(PathStep(mode, owner, group, name, path))
        elif fields:
            raise ValueError(line.strip())
    return tuple(parts)


@dataclass(frozen=True)
class ScriptRun:
    """A check script, run once. `status` None: it was not, because others may write it."""

    status: int | None
    milliseconds: int
    command: str


def script_runs(text: str) -> tuple[ScriptRun, ...]:
    """Lines of exit status (or `untrusted`), milliseconds and command."""
    fields = (line.split(" ", 2) for line in text.splitlines())
    return tuple(
        ScriptRun(None if status == "untrusted" else int(status), int(milliseconds), command)
        for status, milliseconds, command in fields
    )
