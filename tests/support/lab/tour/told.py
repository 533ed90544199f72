"""What a run's plan says, and what its last line says: as values, to be compared."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.output.summary import DEEDS

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_WOULD = re.compile(r"^--> [a-z]+\.py would (.*?)\.(?: No machine was changed.*)?$", re.MULTILINE)
_DID = re.compile(r"^--> [a-z]+\.py: (?:done: )?(.*?)\.(?: Next: .*)?$", re.MULTILINE)
_PLAN = re.compile(r"^--> The plan:\n((?:    .*\n)*)", re.MULTILINE)
_LINE = re.compile(r"    ([\w., -]+?): (.*)")
_FILE = re.compile(r"(/\S+) changes")
_SERVICE = re.compile(r"([a-z-]+): ([a-z-]+)(?:, because .*)?")
_INFINITIVES = {past: word for word, past in DEEDS.items()}
_PAST = re.compile("|".join(sorted(_INFINITIVES, key=len, reverse=True)))
_NOTHING = re.compile(r"^(change nothing|nothing to do) on .*")


@dataclass(frozen=True)
class PlannedChanges:
    """What a plan's lines say of one machine.

    + files: their paths; services: what is done to each; steps: all else, in the plan's words.
    """

    files: frozenset[str] = frozenset()
    services: Mapping[str, str] = field(default_factory=dict)
    steps: frozenset[str] = frozenset()


def would(output: str) -> str:
    """What a dry run's last line says, "" for nothing."""
    found = _WOULD.findall(_STYLE.sub("", output))
    assert len(found) == 1, output
    return "" if _NOTHING.match(found[0]) else str(found[0])


def did(output: str) -> str:
    """What a run's last line says, in the words of a plan; "" for nothing."""
    found = _DID.findall(_STYLE.sub("", output))
    assert len(found) == 1, output
    if _NOTHING.match(found[0]):
        return ""
    return ", ".join(
        _PAST.sub(lambda past: _INFINITIVES[past[0]], part, count=1)
        for part in found[0].split(", ")
    )


def moves(sentence: str) -> int:
    """How often the VIP moves, by a sentence; 0 where it says nothing of it."""
    found = re.search(r"move the VIP (\d+) times?", sentence)
    return int(found[1]) if found else 0


def planned(output: str) -> dict[str, PlannedChanges]:
    """The lines of a plan, by machine."""
    files: dict[str, set[str]] = defaultdict(set)
    services: dict[str, dict[str, str]] = defaultdict(dict)
    steps: dict[str, set[str]] = defaultdict(set)
    shown = _PLAN.search(_STYLE.sub("", output))
    for line in shown[1].splitlines() if shown else ():
        told = _LINE.fullmatch(line)
        assert told, line
        for name in told[1].split(", "):
            if path := _FILE.fullmatch(told[2]):
                files[name].add(path[1])
            elif service := _SERVICE.fullmatch(told[2]):
                services[name][service[1]] = service[2]
            else:
                steps[name].add(told[2])
    return {
        name: PlannedChanges(frozenset(files[name]), services[name], frozenset(steps[name]))
        for name in {*files, *services, *steps}
    }
