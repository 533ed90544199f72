"""A person's own programs, which notify runs when this node's state changes, or when it is drained.

    files/hooks/{master,backup,fault,drain}.d/NAME     here (`hooks`)
    /etc/tandem/hooks/…                                on the machines

notify.sh names those that are run: it goes back with them in a rollback.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from controller.batched_facts import LinesFact, change, parallel
from settings import Bars, Cluster, Mistake, Node, Refused
from settings.mistakes import name_mistakes
from settings.values import NotRead, local_path
from tasks.machine import one_file
from tasks.machine.quoting import quoted

PLACE = "/etc/tandem/hooks"
KINDS = ("master.d", "backup.d", "fault.d", "drain.d")
# What lies beside hooks and is meant for no machine.
NOT_MEANT = ("README.md", ".gitignore", ".gitattributes", ".gitkeep")
EXAMPLES = ".example"
NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
LARGEST_BYTES = 1 << 20


class Hook(NamedTuple):
    """A program: its `name`, like "master.d/10-move", and what is in it."""

    name: str
    program: bytes

    @property
    def path(self) -> str:
        """Where it is on a machine."""
        return f"{PLACE}/{self.name}"

    @property
    def kind(self) -> str:
        """Which of `KINDS` it is."""
        return self.name.partition("/")[0]


def of(node: Node) -> list[Hook]:
    """What `hooks` has for this machine, in the order of the names. Raises `Refused`."""
    found, wrong = read(node.hooks)
    if wrong:
        raise Refused("; ".join(f"{path}: {remedy}" for path, remedy in wrong))
    return found


def mistakes(clusters: Iterable[Cluster]) -> Iterator[Mistake]:
    """What cannot be run, as far as the settings could be read."""
    for node in (node for cluster in clusters for node in cluster.nodes):
        try:
            _, wrong = read(node.hooks)
        except NotRead:
            continue
        for path, remedy in wrong:
            yield Mistake(node.name, "hooks", path, remedy, Bars.DEPLOY)


def read(given: str) -> tuple[list[Hook], list[tuple[str, str]]]:
    """The hooks in a directory, and what in it is none: (path, what would be right)."""
    found: list[Hook] = []
    wrong: list[tuple[str, str]] = []
    entries, why = _entries(local_path(given))
    if why:
        wrong.append((given, f"{why}; give a directory with {', '.join(KINDS)}"))
    for kind in entries:
        if kind.name not in KINDS:
            if not _is_not_meant(kind):
                wrong.append((f"{given}/{kind.name}", _misplaced(kind)))
            continue
        programs, why = _entries(kind)
        if why:
            wrong.append((f"{given}/{kind.name}", f"{why}; it is a directory of programs"))
        for path in programs:
            if _is_not_meant(path):
                continue
            program, remedy = _program(path)
            if remedy:
                wrong.append((f"{given}/{kind.name}/{path.name}", remedy))
            else:
                found.append(Hook(f"{kind.name}/{path.name}", program))
    return sorted(found), wrong


def _entries(directory: Path) -> tuple[Sequence[Path], str]:
    """What is in a directory, and why that is not known."""
    try:
        return sorted(directory.iterdir()), ""
    except OSError as error:
        return (), (error.strerror or str(error)).lower()


def _is_not_meant(path: Path) -> bool:
    return path.is_file() and (path.name in NOT_MEANT or path.suffix == EXAMPLES)


def _misplaced(path: Path) -> str:
    if not path.is_dir():
        where = " or ".join(KINDS)
        return f"only what is in {where} is run: move it there, or let it end in {EXAMPLES}"
    there = f"there are {', '.join(KINDS)}"
    near = name_mistakes.nearest(path.name, KINDS, there).partition("; ")[2]
    return f"no state has this name; {near}"


def _program(path: Path) -> tuple[bytes, str]:
    """A program, or why it cannot be run."""
    if not NAME.fullmatch(path.name):
        return b"", "a name of letters, digits, . _ and -; remove what is no hook"
    if not path.is_file():
        return b"", "it is no file: nothing below is run" if path.is_dir() else "it is not there"
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return b"", f"larger than {LARGEST_BYTES >> 20} MB: bring it to the machines yourself"
        program = path.read_bytes()
    except OSError as error:
        return b"", f"it cannot be read ({error.strerror})"
    first = program.partition(b"\n")[0]
    if program[:4] != b"\x7fELF":
        if not re.match(rb"#! */", first):
            return b"", "the kernel would not know what runs it: begin it with #!/bin/sh or alike"
        if first.endswith(b"\r"):
            return b"", "its lines end as on Windows (CR LF), and the kernel would find no such #!"
    if not os.access(path, os.X_OK):
        return b"", f"it is not executable: chmod +x {path.name}"
    return program, ""


# --- on a machine --------------------------------------------------------------------------------


class PlacedHooks(LinesFact):
    """The paths of all that is in the hooks' directory."""

    def command(self) -> str:
        return f"find {PLACE} -mindepth 1 ! -type d 2>/dev/null || true"


def place(hooks: Sequence[Hook]) -> None:
    """Have these on the machine, and no others. notify.sh comes after it."""
    parallel.request(PlacedHooks)
    for hook in hooks:
        what = f"keepalived: the hook {hook.name}"
        one_file.file(what, hook.path, hook.program, mode="755")


@change("there are no others", PlacedHooks)
def remove_others(hooks: Sequence[Hook]) -> Iterator[str]:
    """Remove what is no hook any more; notify.sh does not name it by now."""
    wanted, there = [hook.path for hook in hooks], parallel.get(PlacedHooks)
    if others := sorted(path for path in there if path not in wanted):
        yield quoted("rm", "-rf", "--", *others)
