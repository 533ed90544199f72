"""Reads what nginx, and the kernel about nginx, print. Pure; text in, values out."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from verify.read.blocks import Block, blocks

# Of /proc/PID/stat, whose times count in this unit on every Linux that matters.
TICKS_PER_S = 100
# Where a person's own pieces of configuration lie.
SNIPPETS = "/etc/nginx/conf.d/"
_FILE_HEADER = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<mark>[{};])|(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<word>(?:\\.|\$\{[^}]*\}|[^\s{};"'])[^\s;{]*)""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Build:
    """What `nginx -V` prints."""

    version: str
    arguments: tuple[str, ...]


def build(text: str) -> Build:
    """Raises ValueError when `text` is not what `nginx -V` prints."""
    version = re.search(r"^nginx version: nginx/(\S+)", text, re.MULTILINE)
    arguments = re.search(r"^configure arguments:(.*)", text, re.MULTILINE)
    if not version:
        raise ValueError("no line 'nginx version:'")
    return Build(version[1], tuple(shlex.split(arguments[1])) if arguments else ())


class InstalledManifest(BaseModel):
    """A build's MANIFEST.json: what it was made of. `files`: sha256 by name; `libraries`: what is
    known of each, its package among it, by soname."""

    version: str
    flags: tuple[str, ...]
    files: dict[str, str]
    libraries: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Binary:
    """A binary that nginx runs from; `manifest` is None where there is none beside it."""

    path: str
    sha256: str
    manifest: InstalledManifest | None


def binaries(text: str) -> tuple[Binary, ...]:
    """Lines of sha256, path and manifest. Raises ValueError for a manifest that cannot be read."""
    read = InstalledManifest.model_validate_json
    fields = (line.split(" ", 2) for line in text.splitlines())
    return tuple(
        Binary(path, digest, read(written) if written.strip() else None)
        for digest, path, written in fields
    )


@dataclass(frozen=True)
class Process:
    """One nginx process. `started_s` counts from the machine's boot."""

    pid: int
    parent: int
    title: str
    uid: int
    capabilities: int
    files_limit: int
    started_s: float

    @property
    def master(self) -> bool:
        return self.title.startswith("nginx: master process")

    @property
    def worker(self) -> bool:
        """A worker that takes connections, not one that is finishing its last ones."""
        return self.title == "nginx: worker process"

    @property
    def cache_manager(self) -> bool:
        """What keeps the cache within its size; another process loads it after a start."""
        return self.title.startswith("nginx: cache manager")


def processes(text: str) -> tuple[Process, ...]:
    """The nginx processes in grep's `/proc/PID/FILE:line` lines, without those that just ended."""
    found: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        place, _, rest = line.partition(":")
        parts = place.split("/")
        if len(parts) != 4 or not parts[2].isdigit():
            continue
        values = found.setdefault(int(parts[2]), {})
        if parts[3] == "cmdline":
            values["title"] = rest.strip()
        elif parts[3] == "stat":
            # After the name, which ends with the last ")": field 3 is the state, 22 the start.
            values["started"] = rest.rpartition(")")[2].split()[19]
        elif parts[3] == "limits":
            values["files"] = rest.split()[3]
        else:
            key, _, value = rest.partition(":")
            values[key] = value.strip()
    return tuple(
        Process(
            pid=pid,
            parent=int(values["PPid"]),
            title=values["title"],
            uid=int(values["Uid"].split()[1]),
            capabilities=int(values["CapEff"], 16),
            files_limit=_limit(values["files"]),
            started_s=int(values["started"]) / TICKS_PER_S,
        )
        for pid, values in sorted(found.items())
        if values.keys() >= {"PPid", "Uid", "CapEff", "title", "started", "files"}
    )


def _limit(text: str) -> int:
    return int(text) if text.isdigit() else 1 << 63


@dataclass(frozen=True)
class Dump:
    """What `nginx -T` prints: the files it reads, the first of them the main one, with includes in
    their place. `base` is the same without the files below `SNIPPETS`; `trees` has each file."""

    files: tuple[str, ...]
    root: Block
    base: Block
    trees: Mapping[str, Block]


def dump(text: str) -> Dump:
    """Raises ValueError when `text` is no configuration."""
    _, *parts = _FILE_HEADER.split(text)
    if not parts:
        raise ValueError("no line '# configuration file'")
    trees = {
        file: blocks(_TOKEN, content) for file, content in zip(parts[::2], parts[1::2], strict=True)
    }
    ours = {file: tree for file, tree in trees.items() if not file.startswith(SNIPPETS)}
    main = parts[0]
    root, base = (_included(trees[main], known, main) for known in (trees, ours))
    return Dump(tuple(trees), root, base, trees)


def _included(block: Block, trees: Mapping[str, Block], main: str) -> Block:
    """`block` with each include replaced by what it names. Includes are relative to `main`."""
    whole: list[Block] = []
    for directive in block.block:
        match directive.words:
            case ["include", pattern, *_]:
                # An absolute name replaces what it is joined to.
                glob = re.escape(os.path.join(os.path.dirname(main), pattern))
                matcher = re.compile(glob.replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))
                for file in sorted(filter(matcher.fullmatch, trees)):
                    whole += _included(trees[file], trees, main).block
            case _:
                whole.append(_included(directive, trees, main))
    return Block(block.words, tuple(whole))
