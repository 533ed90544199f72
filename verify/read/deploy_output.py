"""Reads who deployed what, as the machine has it written down. Pure; text in, values out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime

EXITS = ("begun", "done", "stopped")


@dataclass(frozen=True)
class WrittenDeploy:
    """The last deploy, or rollback, of a machine. `to`: the generation that was brought back."""

    command: str
    revision: str
    operator: str
    controller: str
    time: datetime
    exit: str
    to: str = ""

    @property
    def text(self) -> str:
        """In words: from which revision, by whom, when."""
        when = f"{self.time:%Y-%m-%d %H:%M:%S %Z}"
        if self.to:
            return (
                f"rolled back on {when} by {self.operator}, to generation {self.to} "
                f"(revision {self.revision})"
            )
        return f"deployed from {self.revision} by {self.operator} at {when}"


@dataclass(frozen=True)
class RolledBack:
    """A rollback that was the last run. `to`: the generation; `changed`: what is not as that has it
    any more."""

    to: str
    changed: tuple[str, ...] = ()


def rolled_back(text: str) -> RolledBack | None:
    """None for "none". Raises ValueError for what is no whole answer."""
    if text == "none":
        return None
    first, *changed, last = text.splitlines()
    if not re.fullmatch(r"to \d{8}-\d{6}", first) or last != "looked":
        raise ValueError("not what was asked for")
    if not all(line.startswith("changed ") for line in changed):
        raise ValueError("a line that says something else")
    return RolledBack(first[3:], tuple(line.removeprefix("changed ") for line in changed))


def last_deploy(text: str) -> WrittenDeploy | None:
    """The line of JSON; None for "none". Raises ValueError for anything else."""
    if text == "none":
        return None
    said = json.loads(text)
    if said["exit"] not in EXITS:
        raise ValueError(f"exit is none of {', '.join(EXITS)}")
    words = {key: said[key] for key in ("command", "revision", "operator", "controller", "exit")}
    words["to"] = said.get("to", "")
    if not all(isinstance(word, str) for word in words.values()):
        raise ValueError("not text")
    time = datetime.fromisoformat(said["time"])
    if time.tzinfo is None:
        raise ValueError("a time without its zone")
    return WrittenDeploy(time=time, **words)
