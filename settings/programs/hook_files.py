"""A person's own programs at a change of state, as they lie in the directory that `hooks` names.

files/hooks/{master,backup,fault,drain}.d/NAME     here
/etc/tandem/hooks/…                                on the machines
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from settings.values import alike, local_path

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

    @property
    def digest(self) -> str:
        """SHA-256 of the program, in hexadecimal digits."""
        return hashlib.sha256(self.program).hexdigest()


def read(given: str) -> tuple[list[Hook], list[tuple[str, str]]]:
    """The hooks in a directory, by name, and what in it is none: (path, what would be right).
    Raises `NotRead` where the setting could not be."""
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
    near = alike(path.name, KINDS)
    there = f"did you mean {near}?" if near else f"there are {', '.join(KINDS)}"
    return f"no state has this name; {there}"


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
