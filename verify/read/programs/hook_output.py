"""Reads which hooks a machine has, and how they have ended. Pure; text in, values out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from verify.read.keepalived_log import LogLine, read_log
from verify.read.lists import counted


class PlacedHook(NamedTuple):
    """A file among the hooks of a machine. `kind`: f for a file; `changed`: seconds since 1970;
    `digest`: SHA-256, "" where it could not be read."""

    mode: int
    owner: str
    kind: str
    changed: float
    digest: str = ""


class DirectoryOfHooks(NamedTuple):
    """A directory in which, or in whose directories, hooks are."""

    mode: int
    owner: str
    path: str


@dataclass(frozen=True)
class Hooks:
    """`meant`: digests of those in the repository, by name; `unread`: what of it could not be read,
    or is no hook; `called`: the names in notify.sh; `files` and `directories`: what is there."""

    meant: dict[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    files: dict[str, PlacedHook] = field(default_factory=dict)
    directories: tuple[DirectoryOfHooks, ...] = ()


def hooks(text: str) -> Hooks:
    """Lines `meant`, `unread`, `called`, `way`, `file` and `sum`; the last one counts them. Raises
    ValueError for anything else."""
    found = Hooks()
    unread: list[str] = []
    called: list[str] = []
    ways: list[DirectoryOfHooks] = []
    for line in counted(text, "{} lines"):
        word, _, rest = line.partition(" ")
        match word:
            case "meant":
                digest, name = rest.split(" ")
                found.meant[name] = digest
            case "unread":
                unread.append(rest)
            case "called":
                called.append(rest)
            case "way":
                mode, owner, path = rest.split(" ", 2)
                ways.append(DirectoryOfHooks(int(mode, 8), owner, path))
            case "file":
                mode, owner, kind, changed, name = rest.split(" ", 4)
                found.files[name] = PlacedHook(int(mode, 8), owner, kind, float(changed))
            case "sum":
                digest, name = rest.split(" ", 1)
                found.files[name] = found.files[name]._replace(digest=digest)
            case _:
                raise ValueError(line)
    return Hooks(found.meant, tuple(unread), tuple(called), found.files, tuple(ways))


class HookEnd(NamedTuple):
    """How a hook has ended, `at` in seconds since 1970."""

    at: float
    vip: str
    name: str
    how: str

    @property
    def is_good(self) -> bool:
        return self.how.startswith("exit 0 ")


@dataclass(frozen=True)
class HookRuns:
    """Runs of hooks that the machine's log still has, the earliest first. `kept`: whether a log has
    anything of notify's."""

    kept: bool
    ends: tuple[HookEnd, ...] = ()


_END = re.compile(r"(?P<vip>\S+) on \S+: hook (?P<name>[^ :]+): (?P<how>[^:]+)")
# Its state had changed before its turn came: it was not run.
_NOT_RUN = "not run "


def hook_runs(text: str) -> HookRuns:
    """notify's lines of `read_log` about hooks. Raises ValueError for anything else."""
    kept, _, found = read_log(text)
    ends = tuple(_end(line) for _, line in found)
    return HookRuns(bool(kept), tuple(end for end in ends if not end.how.startswith(_NOT_RUN)))


def _end(line: LogLine) -> HookEnd:
    if found := _END.fullmatch(line.text):
        return HookEnd(line.at, found["vip"], found["name"], found["how"])
    raise ValueError(line.text)
