"""What a run of drill.py has to undo, on the controller's disk: a killed run leaves it to the next.

A file per run in `directory()`: a line that says whose run it is, then a line for each fault before
it is injected, and one for each that is undone. The run holds the file's lock, and so do its guards
(lab_control.py); a file that nobody holds is of a run that has ended without putting all back.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter

import settings
from drills.control.machines import MachineError
from settings import Cluster

SUFFIX = ".jsonl"


class Way(StrEnum):
    """By what a fault is undone, and what the `words` of an `UndoRecord` are."""

    MACHINE = "machine"  # by the machine: the fault's key, its undoing, "lasting" or ""
    LAB = "lab"  # by the lab: a verb and a machine, as `lab plug host1`
    OUTSIDE = "outside"  # by a script in the machine's network: the script
    COMMAND = "command"  # by one of Tandem's own commands: its arguments after `pyinfra`


@dataclass(frozen=True)
class UndoRecord:
    """How one fault is undone. `node`: where, with its own `address`; "" for a whole cluster.

    `by_hand`: the command that a person can type instead; on the machine where `way` is "machine".
    `directory`: where a COMMAND is run.
    """

    what: str
    way: Way
    words: tuple[str, ...]
    by_hand: str
    cluster: str
    vip: str
    node: str = ""
    address: str = ""
    drill: str = ""
    directory: str = ""

    def concerns(self, clusters: Iterable[Cluster]) -> bool:
        """Whether it is about a machine, or the VIP, of these clusters."""
        return (self.address or self.vip) in addresses_of(clusters)

    @property
    def remedy(self) -> str:
        """What a person does about it."""
        where = f"as root on {self.node}" if self.way is Way.MACHINE else "here"
        return f"{where}: {self.by_hand}"

    def __str__(self) -> str:
        on = f" on {self.node}" if self.node else f" on cluster {self.cluster}"
        return f"{self.what}{on}"


@dataclass(frozen=True)
class Author:
    """Whose run it is: when it began, by whom, as which process, on which addresses."""

    started: str
    user: str
    pid: int
    born: str
    addresses: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """Whether that process still runs; one that nobody has waited for yet does not."""
        return self.born == _born(self.pid) != ""

    def __str__(self) -> str:
        return f"of {self.started} by {self.user}"


@dataclass(frozen=True)
class EarlierRun:
    """What an earlier run has noted and not undone.

    `held`: its guards, or itself, still work. `unreadable`: notes that this version cannot read.
    """

    path: Path
    author: Author
    records: tuple[UndoRecord, ...]
    held: bool = False
    unreadable: int = 0


_UNKNOWN = Author("an unknown time", "somebody", 0, "", ())
_AUTHOR = TypeAdapter(Author)
_RECORD = TypeAdapter(UndoRecord)


def machines_of(clusters: Iterable[Cluster]) -> dict[str, str]:
    """The machines' names by their own addresses: by whichever one a record has it."""
    nodes = (node for cluster in clusters for node in cluster.nodes)
    return {str(own): node.name for node in nodes for own in node.own_addresses}


def addresses_of(clusters: Iterable[Cluster]) -> list[str]:
    """The VIPs, and the machines' own addresses."""
    clusters = list(clusters)
    vips = [str(view.vip.ip) for cluster in clusters for view in cluster.vips]
    return [*vips, *machines_of(clusters)]


def directory() -> Path:
    """Where runs keep their notes: in the lab, where HOME is the lab's, they go with the lab."""
    state = "" if settings.IN_LAB else os.environ.get("XDG_STATE_HOME", "")
    return Path(state or Path.home() / ".local" / "state") / "tandem" / "drills"


@dataclass(eq=False)
class UndoJournal:
    """The notes of this run, in `path`."""

    path: Path
    _descriptor: int
    _open: dict[int, UndoRecord] = field(default_factory=dict)
    _number: int = 0

    @classmethod
    def begin(cls, clusters: Iterable[Cluster]) -> UndoJournal:
        """Begin this run's notes. Raises `OSError` where they cannot be kept."""
        clusters = list(clusters)
        folder = directory()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        now = datetime.now(UTC)
        path = folder / f"{now:%Y%m%dT%H%M%S}-{os.getpid()}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        descriptor = os.open(path, flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        journal = cls(path, descriptor)
        author = Author(
            started=now.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            user=f"{os.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}",
            pid=os.getpid(),
            born=_born(os.getpid()),
            addresses=tuple(addresses_of(clusters)),
        )
        journal._line({"author": asdict(author)})
        return journal

    @property
    def descriptor(self) -> int:
        """Whoever has inherited it holds the lock, too."""
        return self._descriptor

    def note(self, record: UndoRecord) -> int:
        """Note, on the disk, what is about to be broken; the note's number.

        Raises `MachineError` where that is impossible: then nothing must be broken.
        """
        self._number += 1
        try:
            self._line({"note": self._number, "record": asdict(record)})
            os.fsync(self._descriptor)
        except OSError as error:
            text = f"nothing is broken that could not be noted in {self.path}: {error.strerror}"
            raise MachineError(text) from error
        self._open[self._number] = record
        return self._number

    def undone(self, number: int) -> None:
        """It has been undone. Where that cannot be noted, the next run undoes it once more."""
        self._open.pop(number, None)
        with contextlib.suppress(OSError):
            self._line({"undone": number})

    def _line(self, content: dict[str, object]) -> None:
        # On a line of its own also where a full disk has cut the one before.
        line = b"\n" + json.dumps(content).encode() + b"\n"
        if os.write(self._descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def end(self) -> None:
        """The end of this run; its notes stay where something has not been undone."""
        if not self._open:
            with contextlib.suppress(OSError):
                self.path.unlink()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def earlier_runs() -> Iterator[EarlierRun]:
    """Every other run that has left notes, the latest first."""
    for path in sorted(directory().glob(f"*{SUFFIX}"), reverse=True):
        try:
            if found := _read(path):
                yield found
        except FileNotFoundError:
            continue  # it has just ended, and has put everything back
        except OSError:
            yield EarlierRun(path, _UNKNOWN, (), unreadable=1)


def forget(run: EarlierRun) -> None:
    """What it has left is undone."""
    with contextlib.suppress(FileNotFoundError):
        run.path.unlink()


def _read(path: Path) -> EarlierRun | None:
    """None for this process's own notes, and for those of a run with nothing left to undo."""
    if path.stat().st_uid != os.geteuid():
        return None  # nobody else says what this process does
    author = _UNKNOWN
    noted: dict[int, UndoRecord] = {}
    unreadable = 0
    held_now = held(path)  # before it is read, so that nothing is noted in between
    # What stands behind the last end of a line was cut while it was noted: nothing was broken yet.
    *lines, _ = path.read_bytes().split(b"\n")
    for line in filter(None, lines):
        try:
            content = json.loads(line)
            if "author" in content:
                author = _AUTHOR.validate_python(content["author"])
            elif "record" in content:
                noted[content["note"]] = _RECORD.validate_python(content["record"])
            else:
                noted.pop(content["undone"], None)
        except (ValueError, TypeError, KeyError):
            unreadable += 1
    if author.pid == os.getpid():
        return None
    if not (noted or held_now or unreadable):
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    return EarlierRun(path, author, tuple(noted.values()), held_now, unreadable)


def held(path: Path) -> bool:
    """Whether the run that it is of still works, or guards of it do."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _born(pid: int) -> str:
    """When a process was started, in the kernel's ticks; "" for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
