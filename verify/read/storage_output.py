"""Reads what is said about file systems, logs, and who rotates them. Pure; text in, values out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from verify.read.lists import listed

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGTPE]?)")
_STAMPS = {"/": "%Y/%m/%d %H:%M:%S", "[": "%d/%b/%Y:%H:%M:%S %z"}
MIB = 1024 * 1024


@dataclass(frozen=True)
class FileSystem:
    """One file system, sizes in KiB. `places`: what was asked about and lies on it.

    `inodes` is 0 where the kind of file system has no fixed number of them.
    """

    mounted_on: str
    size: int
    used: int
    available: int
    inodes: int
    inodes_free: int
    read_only: bool
    places: tuple[str, ...]

    @property
    def used_percent(self) -> float:
        """Of what can be used at all: as df counts, root's reserve aside."""
        usable = self.used + self.available
        return 100 * self.used / usable if usable else 0.0

    @property
    def inodes_used_percent(self) -> float:
        return 100 * (1 - self.inodes_free / self.inodes) if self.inodes else 0.0


def file_systems(text: str) -> tuple[FileSystem, ...]:
    """`df --output=size,used,avail,itotal,iavail,file,target`, then a line `mount ro|rw TARGET` for
    each mount. Places that are not there are left out. Raises ValueError for any other line."""
    lines = text.splitlines()
    at = next((n for n, line in enumerate(lines) if line.split()[-2:] == ["Mounted", "on"]), None)
    if at is None:
        raise ValueError("no table of df")
    read_only: dict[str, bool] = {}
    rows: dict[str, list[str]] = {}
    places: dict[str, list[str]] = {}
    for line in (line for n, line in enumerate(lines) if n != at):
        fields = line.split(None, 6)
        if line.startswith("mount "):
            _, mode, target = line.split(" ", 2)
            read_only[target] = mode == "ro"  # of several on one place the last one is seen
        elif re.match(r"(\d+|-)$", fields[0]) and len(fields) == 7:
            rows[fields[6]] = fields
            places.setdefault(fields[6], []).append(fields[5])
        elif not line.endswith(": No such file or directory"):
            raise ValueError(line)
    if not rows:
        raise ValueError("no file system")
    return tuple(
        FileSystem(
            mounted_on=target,
            size=_count(row[0]),
            used=_count(row[1]),
            available=_count(row[2]),
            inodes=_count(row[3]),
            inodes_free=_count(row[4]),
            read_only=read_only[target],
            places=tuple(places[target]),
        )
        for target, row in rows.items()
    )


def _count(field: str) -> int:
    return 0 if field == "-" else int(field)


@dataclass(frozen=True)
class Log:
    """A log file, in bytes. `begins`: when its first line was written, None where it is empty or
    does not say; a log without a time zone (nginx's error.log) is taken for UTC."""

    path: str
    size: int
    begins: datetime | None


@dataclass(frozen=True)
class Logs:
    """The logs that are kept. `journal`: bytes by directory; `limits`: what journald.conf sets."""

    files: tuple[Log, ...]
    journal: Mapping[str, int]
    limits: Mapping[str, str]


def logs(text: str) -> Logs:
    """Lines of `log SIZE PATH`, `first PATH` and `at TIME` below it, `journal KIB PATH` and `limit
    NAME=VALUE`, or `none`. Raises ValueError for any other."""
    sizes: dict[str, int] = {}
    begins: dict[str, datetime] = {}
    journal: dict[str, int] = {}
    limits: dict[str, str] = {}
    first = ""
    for line in listed(text):
        kind, _, rest = line.partition(" ")
        if kind == "log":
            size, _, path = rest.partition(" ")
            sizes[path] = int(size)
        elif kind == "first":
            first = rest
        elif kind == "at":
            begins[first] = _time(rest)
        elif kind == "journal":
            size, _, path = rest.partition(" ")
            journal[path] = int(size) * 1024
        elif kind == "limit":
            name, _, value = rest.partition("=")
            limits[name.strip()] = value.strip()
        else:
            raise ValueError(line)
    files = tuple(Log(path, size, begins.get(path)) for path, size in sizes.items())
    return Logs(files, journal, limits)


def _time(text: str) -> datetime:
    found = datetime.strptime(text, _STAMPS["/" if text[4] == "/" else "["])
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def in_bytes(text: str) -> int:
    """A size of journald.conf: 500M, 1G."""
    found = _SIZE.fullmatch(text.upper().removesuffix("B"))
    if not found:
        raise ValueError(f"no size: {text}")
    times: int = 1024 ** " KMGTPE".index(found[2] or " ")
    return int(float(found[1]) * times)


@dataclass(frozen=True)
class RotationRun:
    """Who starts logrotate. `timer`: systemd's timer is active, and stays so after a boot; `next`:
    when it is due. `cron`: a cron daemon runs, and a file of its tells it to."""

    timer: str
    next: str
    file: str
    cron: bool


def rotation_run(text: str) -> RotationRun:
    """Lines of KEY=VALUE: `init`, `file` and `cron`, then `systemctl show` of logrotate.timer where
    init is systemd. Raises ValueError where one of them is missing, and for any other line."""
    said = dict(line.split("=", 1) for line in text.splitlines())
    missing = {"init", "file", "cron"} - said.keys()
    if said.get("init") == "systemd":
        missing |= {"LoadState", "ActiveState", "UnitFileState"} - said.keys()
    if missing:
        raise ValueError(f"nothing about {', '.join(sorted(missing))}")
    states = (said.get(key, "") for key in ("LoadState", "ActiveState", "UnitFileState"))
    return RotationRun(
        timer=", ".join(filter(None, states)),
        next=said.get("NextElapseUSecRealtime", ""),
        file=said["file"],
        cron=said["cron"] == "runs",
    )
