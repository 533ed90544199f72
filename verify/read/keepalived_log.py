"""Reads keepalived's own log, and which directories it follows. Pure; text in, values out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

# (`logger` without -i gives no number.)
_JOURNAL = re.compile(r"(\d+\.\d+) \S+ ([\w-]+)(?:\[\d+\])?: (.*)")
# The time of syslog's file comes with a zone, or without zone and year.
_SYSLOG = re.compile(
    r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)|[A-Z][a-z]{2} [ \d]\d [\d:]{8})"
    r" \S+ ([\w-]+)(?:\[\d+\])?: (.*)"
)
_PROGRAM, _DRILL = "Keepalived", "tandem_drill"
# No repeat of a drill takes longer; one without an end was killed.
LONGEST_DRILL_S = 600
_STATE = re.compile(r"\((?P<instance>[^)]+)\) Entering (?P<state>[A-Z]+) STATE")
_OWN_CHECK = re.compile(r"VRRP_Script\(own_(?P<name>[^)]+)\) (?P<how>.+)")
# What keepalived says of a check that was good before a reload, and of one that is good now.
_GOOD_BEFORE, GOOD = "considered successful on reload", "succeeded"
_INOTIFY = re.compile(r"inotify wd:\w+ ino:([0-9a-f]+) sdev:([0-9a-f]+) ")


@dataclass(frozen=True)
class LogLine:
    """One line that keepalived has logged; `at` in seconds since the epoch."""

    at: float
    text: str

    @property
    def entered(self) -> tuple[str, str] | None:
        """The instance and the state that it has entered, if this says so."""
        found = _STATE.match(self.text)
        return (found["instance"], found["state"]) if found else None


@dataclass(frozen=True)
class KeepalivedLog:
    """keepalived's lines that the machine still has, without those that say nothing of interest.

    `kept`: where, "" where no log on the machine has anything of keepalived's. `since`: what is
    older than this is not known. `in_drills`: how many more there are, which a drill has caused.
    `own_checks`: how each has gone, as said last since its start, by name; also in a drill.
    """

    kept: str
    since: float | None
    lines: tuple[LogLine, ...]
    in_drills: int = 0
    own_checks: Mapping[str, str] = field(default_factory=dict)

    @property
    def since_start(self) -> tuple[LogLine, ...]:
        """Those of the keepalived that runs now, as far as its start is among them."""
        return _since_start(self.lines)


_NO_LOG = KeepalivedLog("", None, ())


def _since_start(lines: Sequence[LogLine]) -> tuple[LogLine, ...]:
    starts = [n for n, line in enumerate(lines) if line.text.startswith("Starting Keep")]
    return tuple(lines[starts[-1] :] if starts else lines)


def log(text: str) -> KeepalivedLog:
    """keepalived's lines of `read_log`. Raises ValueError for anything else."""
    kept, since, found = read_log(text)
    known = [each.at for program, each in found if program.startswith(_PROGRAM)]
    if not kept or (since is None and not known):
        return _NO_LOG
    return KeepalivedLog(kept, known[0] if since is None else since, *_own(found))


def read_log(text: str) -> tuple[str, float | None, list[tuple[str, LogLine]]]:
    """Where a log is, what its first line's time is, if that is said, and the lines, each with its
    program: of `journal FIRST` and lines of `journalctl -o short-unix`, or `syslog FILE ZONE YEAR`
    and its lines. Nowhere: `none`. Raises ValueError for anything else."""
    head, *lines = text.splitlines() or [""]
    match head.split():
        case ["none"] | ["journal"] if not lines:
            return "", None, []
        case ["journal", first]:
            return "journal", float(first), [_line(line, _JOURNAL, float) for line in lines]
        case ["syslog", file, zone, year]:
            found = [
                _line(line, _SYSLOG, lambda it: _syslog_time(it, zone, year)) for line in lines
            ]
            return file, None, found
    raise ValueError(head)


def _own(
    lines: list[tuple[str, LogLine]],
) -> tuple[tuple[LogLine, ...], int, Mapping[str, str]]:
    """keepalived's, without those that a drill has caused, and how many those are; none of somebody
    else's: systemd's, or a script's. And how own checks have gone."""
    drills = _drills([line for program, line in lines if program == _DRILL])
    own = [line for program, line in lines if program.startswith(_PROGRAM)]
    kept = tuple(line for line in own if not any(a <= line.at <= b for a, b in drills))
    judged = filter(None, (_OWN_CHECK.match(line.text) for line in _since_start(own)))
    return kept, len(own) - len(kept), {found["name"]: _how(found["how"]) for found in judged}


def _how(said: str) -> str:
    return GOOD if said == _GOOD_BEFORE else said


def _drills(marks: list[LogLine]) -> list[tuple[float, float]]:
    """Between which moments there was one; of one that was killed, a while is taken to be its."""
    found: list[tuple[float, float]] = []
    for number, mark in enumerate(marks):
        if mark.text.endswith(" begins"):
            following = [each.at for each in marks[number + 1 : number + 2]]
            found.append((mark.at, min([mark.at + LONGEST_DRILL_S, *following])))
    return found


def _line(line: str, form: re.Pattern[str], read: Callable[[str], float]) -> tuple[str, LogLine]:
    """With the name of the program whose line it is."""
    found = form.fullmatch(line)
    if not found:
        raise ValueError(line)
    return found[2], LogLine(read(found[1]), found[3])


def _syslog_time(text: str, zone: str, year: str) -> float:
    if text[:4].isdigit():
        return datetime.fromisoformat(text).timestamp()
    return datetime.strptime(f"{year} {text} {zone}", "%Y %b %d %H:%M:%S %z").timestamp()


@dataclass(frozen=True)
class Watches:
    """The directories that keepalived follows, by (inode, device), and what `directory` is now."""

    directory: tuple[int, int]
    followed: frozenset[tuple[int, int]]
    processes: int


def watches(text: str) -> Watches:
    """A line `directory INODE DEVICE`, one `process PID` for each of keepalived's children, and
    below it what its /proc/PID/fdinfo has of inotify. Raises ValueError for anything else."""
    directory: tuple[int, int] | None = None
    followed: set[tuple[int, int]] = set()
    processes = 0
    for line in text.splitlines():
        if found := _INOTIFY.match(line):
            followed.add((int(found[1], 16), int(found[2], 16)))
        elif line.startswith("process "):
            processes += 1
        elif line.startswith("directory "):
            inode, device = map(int, line.split()[1:])
            directory = inode, kernel_device(device)
        else:
            raise ValueError(line)
    if directory is None or not processes:
        raise ValueError("no directory, or no child of keepalived's")
    return Watches(directory, frozenset(followed), processes)


def kernel_device(number: int) -> int:
    """A device's number as stat(2) has it, in the kernel's own form, which fdinfo has: 12 bits of
    major and 20 of minor (include/linux/kdev_t.h)."""
    major, minor = (number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)
    return major << 20 | minor
