"""What a run of pyinfra is told to do to itself, and what it writes down about its steps. Pure.

A step is an operation on a machine that has at least one command to carry out there; commands are
counted from 1. A run notes each of them as a line of JSON, as it begins and as it ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

# The step of all that is asked of a machine before the first operation.
QUESTIONS = "What is asked before anything is changed"
# Of nftables, in the namespace of a machine from whose connection no packet passes any more.
TABLE = "inet disturbed"


class How(StrEnum):
    """How a step is disturbed.

    CUT loses every packet of the connection from then on; HANG_UP has the machine close it.
    """

    FAIL = "command fails"
    KILL = "controller killed"
    CUT = "connection cut"
    HANG_UP = "connection closed"
    OFF = "machine off"


@dataclass(frozen=True)
class Disturbance:
    """Which command of which step of `host` is disturbed, and so many seconds after it began."""

    how: How
    step: str
    host: str
    command: int
    after_s: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Disturbance:
        values = json.loads(text)
        return cls(**values | {"how": How(values["how"])})


@dataclass(frozen=True)
class Note:
    """A line of a run's notes; `time_s` is the system's monotonic clock."""

    event: str  # "planned" (an operation, whatever it has to do), "began", "ended", "disturbed"
    time_s: float
    step: str
    host: str
    command: int

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def read_notes(text: str) -> list[Note]:
    """The notes of a run; its last line may be half of one, since runs are killed."""
    notes = []
    for line in text.splitlines():
        try:
            notes.append(Note(**json.loads(line)))
        except ValueError:
            continue
    return notes


@dataclass(frozen=True)
class Step:
    """A step as an undisturbed run has recorded it: on each host, how long each command took."""

    name: str
    commands: dict[str, tuple[float, ...]]

    def disturbed(self, how: How, choice: int) -> Disturbance:
        """The disturbance of a command of this step, half way through it.

        `choice` picks the host, by turns; and, with `how`, the first, middle or last command. A
        connection that is lost, or a machine, while a short command runs is noticed in the next
        one, which may be another step's: so it goes before.
        """
        host = sorted(self.commands)[choice % len(self.commands)]
        durations = self.commands[host]
        places = (len(durations) + 1) // 2, len(durations), 1
        command = places[(choice + list(How).index(how)) % len(places)]
        half_s = durations[command - 1] / 2
        if how in (How.CUT, How.HANG_UP, How.OFF) and half_s < 0.2:
            half_s = 0.0
        return Disturbance(how, self.name, host, command, min(half_s, 4.0))


def planned(notes: Iterable[Note]) -> set[str]:
    """The names of all operations of a run, also of those that had nothing to do."""
    return {note.step for note in notes if note.event == "planned"}


def recorded_steps(notes: Iterable[Note]) -> list[Step]:
    """The steps of an undisturbed run in their order."""
    began: dict[tuple[str, str, int], float] = {}
    steps: dict[str, dict[str, list[float]]] = {}
    for note in notes:
        key = note.step, note.host, note.command
        if note.event == "began":
            began[key] = note.time_s
            steps.setdefault(note.step, {}).setdefault(note.host, []).append(0.0)
        elif note.event == "ended":
            steps[note.step][note.host][note.command - 1] = note.time_s - began[key]
    return [
        Step(name, {host: tuple(durations) for host, durations in hosts.items()})
        for name, hosts in steps.items()
    ]
