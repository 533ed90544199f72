"""What is wrong with pyinfra's own options, as they were typed: none is passed over."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from pyinfra.api import Host, Inventory

from settings import Mistake, TypedMistake


class RefusedOption(NamedTuple):
    """An option of pyinfra's command line that would undo, unseen, what Tandem promises.

    name: as pyinfra's code names it. flag: as a person types it.
    harmless: the values with which it does nothing.
    """

    name: str
    flag: str
    why: str
    harmless: tuple[object, ...] = (None, False)


REFUSED_OPTIONS = (
    # --no-wait exits 0 although an operation failed; --serial takes hosts in random order.
    RefusedOption("no_wait", "--no-wait and --serial", "Tandem orders its own steps."),
    RefusedOption("serial", "--no-wait and --serial", "Tandem orders its own steps."),
    RefusedOption(
        "fail_percent",
        "--fail-percent",
        "a run stops at the first machine that fails, so that the others go on serving. "
        "A machine that is off is left out by --exclude MACHINE.",
        harmless=(None,),  # not False, which 0 is equal to
    ),
    RefusedOption(
        "retry",
        "--retry",
        "a step that has failed has put back what was there before, and said why. "
        "Mend that, and run this again: what is done is not done twice.",
        harmless=(None, 0),
    ),
    RefusedOption(
        "shell_executable",
        "--shell-executable",
        "what is run on the machines is written for sh, whatever shell people have there.",
        harmless=(None, "sh"),
    ),
)


def of_options(arguments: Mapping[str, Any]) -> Iterator[Mistake]:
    """Every option that would undo a promise, or would be passed over."""
    reasons = {
        option.flag: option.why
        for option in REFUSED_OPTIONS
        if arguments[option.name] not in option.harmless
    }
    for flag, why in reasons.items():
        yield TypedMistake.saying(f"Leave out {flag}: {why}")
    for pair in arguments["data"]:
        if "=" not in pair:
            yield TypedMistake.saying(f"--data {pair}: give NAME=VALUE.")
    given = Counter(pair.partition("=")[0] for pair in dict.fromkeys(arguments["data"]))
    for name, count in given.items():
        if count > 1:
            yield TypedMistake.saying(f"--data {name}=: it is given {count} times, differently.")
    for directory in arguments["group_data"]:
        if not Path(directory).exists():
            yield TypedMistake.saying(f"--group-data {directory}: there is no such directory.")


def of_patterns(arguments: Mapping[str, Any], inventory: Inventory) -> Iterator[Mistake]:
    """What --limit and --exclude name, and is not there; or that they leave nobody."""
    limits, excludes = arguments["limit"], arguments["exclude"]
    wrong = [
        TypedMistake.saying(_unmatched(f"--{option}", pattern, arguments["inventory"], inventory))
        for option, patterns in (("limit", limits), ("exclude", excludes))
        for pattern in patterns
        if not _matches(pattern, inventory)
    ]
    yield from wrong
    limited = [host for host in inventory if not limits or _named(host, limits)]
    if not wrong and excludes and all(_named(host, excludes) for host in limited):
        yield TypedMistake.saying("--limit and --exclude leave no machine.")


def _unmatched(option: str, pattern: str, file: str, inventory: Inventory) -> str:
    said = f"{option} {pattern} names no machine of {file}"
    names = [name for name in re.split(r"[,;\s]+", pattern) if name]
    if len(names) > 1 and all(_matches(name, inventory) for name in names):
        return f"{said}: give the option for each, {' '.join(f'{option} {name}' for name in names)}"
    groups = [name for name, hosts in inventory.groups.items() if hosts]
    known = [host.name for host in inventory]
    there = f"there are {', '.join(known)}, and the groups {', '.join(groups)}"
    close = difflib.get_close_matches(pattern, [*known, *groups], n=1)
    return f"{said}: {f'did you mean {close[0]}? ' if close else ''}{there}"


def _matches(pattern: str, inventory: Inventory) -> bool:
    return any(_named(host, [pattern]) for host in inventory)


def _named(host: Host, patterns: Any) -> bool:
    """Whether one of the patterns names a machine, as pyinfra has it, which also warns."""
    groups = host.inventory.groups
    return any(
        host in groups[pattern] if pattern in groups else fnmatch(host.name, pattern)
        for pattern in patterns
    )
