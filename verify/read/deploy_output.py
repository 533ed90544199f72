"""Reads who deployed what, as the machine has it written down. Pure; text in, values out."""

from __future__ import annotations

import json
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
        verb = f"rolled back to {self.to}," if self.to else "deployed"
        return f"{verb} from {self.revision} by {self.operator} at {self.time:%Y-%m-%d %H:%M:%S %Z}"


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
