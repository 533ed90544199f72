"""Reads what nginx, and the kernel about nginx, print. Pure; text in, values out."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel

from settings import nginx_paths
from settings.own_pieces import FILES, LEVELS
from verify.read.blocks import Block, blocks
from verify.read.lists import counted, listed

# Of /proc/PID/stat, whose times count in this unit on every Linux that matters.
TICKS_PER_S = 100
# In /proc/PID/stat, after the name, which ends with the last ")": its field 22.
STARTED_AT = 19
_OF_PROCESS = re.compile(r"/proc/(\d+)/(status|limits|stat|cmdline):")
# Where a person's own pieces of configuration lie.
SNIPPETS = tuple(f"/etc/nginx/{each}/" for each in (*LEVELS, FILES))
_FILE_HEADER = re.compile(r"^# configuration file (.+):$", re.MULTILINE)


@dataclass(frozen=True)
class Build:
    """What `nginx -V` prints."""

    version: str
    arguments: tuple[str, ...]


def build(text: str) -> Build:
    """Raises ValueError when `text` is not what `nginx -V` prints."""
    version = re.search(r"^nginx version: nginx/(\S+)", text, re.MULTILINE)
    arguments = re.search(r"^configure arguments:(.*)", text, re.MULTILINE)
    if not version or not arguments:
        raise ValueError("no lines 'nginx version:' and 'configure arguments:'")
    return Build(version[1], tuple(shlex.split(arguments[1])))


def configuration_is_good(text: str) -> bool:
    """What `nginx -T` says before it prints. Raises ValueError where that is neither yes nor no."""
    said = re.search(
        r"^nginx: configuration file \S+ test (is successful|failed)$",
        "\n".join(test_lines(text)),
        re.M,
    )
    if not said:
        raise ValueError("no line 'nginx: configuration file … test …'")
    return said[1] == "is successful"


def test_lines(text: str) -> list[str]:
    """What `nginx -T` says of the configuration: its lines before the first file that it prints."""
    return [line for line in _FILE_HEADER.split(text, 1)[0].splitlines() if line.strip()]


# How ldd says so.
_NEEDS_NONE = ("not a dynamic executable", "statically linked")
_LIBRARY = re.compile(r"\s*(\S+)(?: => (\S+|not found))?(?: \(0x[0-9a-f]+\))?")


def missing_libraries(text: str) -> tuple[dict[str, bool], list[str]]:
    """`ldd`: whether each library is there, by its name, and what it complains about besides.
    Raises ValueError for what is no list of libraries."""
    there: dict[str, bool] = {}
    complaints: list[str] = []
    if text.strip() in _NEEDS_NONE:
        return there, complaints
    for line in text.splitlines():
        found = _LIBRARY.fullmatch(line)
        if found and ("=>" in line or "(0x" in line):
            there[found[1]] = found[2] != "not found"
        elif "not found" in line:  # a version of one, that another one needs
            complaints.append(line.strip())
        else:
            raise ValueError(line.strip())
    if not there:
        raise ValueError("no library")
    return there, complaints


# Packages of that name without an nginx: directories for others, and documentation.
_WITHOUT_NGINX = {"nginx-filesystem", "nginx-mimetypes", "nginx-doc"}


def packages(text: str) -> tuple[str, ...]:
    """The installed packages that bring an nginx, from dpkg's or rpm's list."""
    if re.fullmatch(r"none|dpkg-query: no packages found matching \S+", text):
        return ()
    found = []
    for line in text.splitlines():
        # Selection, status, and whether something is wrong with it; "un" is only known by name.
        if not (package := re.fullmatch(r"([a-z][a-zA-Z])[ A-Z]? (\S+)", line)):
            raise ValueError(line)
        if package[1][1] not in "nc" and package[2] not in _WITHOUT_NGINX:
            found.append(package[2])
    return tuple(found)


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
    """Lines of sha256, path and manifest; the last one counts them. Raises ValueError for a
    manifest that cannot be read."""
    read = InstalledManifest.model_validate_json
    fields = [line.split(" ", 2) for line in counted(text, "{} binaries")]
    if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest, *_ in fields):
        raise ValueError("no sha256")
    return tuple(
        Binary(path, digest, read(written) if written.strip() else None)
        for digest, path, written in fields
    )


def executables(text: str) -> tuple[dict[int, str], bool]:
    """What each nginx process runs, by its pid, and whether an upgrade has left `.oldbin`."""
    *lines, left = text.splitlines()
    upgrade = {"oldbin there": True, "oldbin absent": False}[left]
    running = {}
    for line in lines:
        place, path = line.split(" ", 1)
        running[int(place.removeprefix("/proc/"))] = path
    return running, upgrade


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
    """The nginx processes in grep's `/proc/PID/FILE:line` lines, of which there may be "none",
    without those that just ended. Raises ValueError for anything else."""
    found: dict[int, dict[str, str]] = {}
    for line in listed(text):
        if not (place := _OF_PROCESS.match(line)):
            raise ValueError(line)
        values, file, rest = found.setdefault(int(place[1]), {}), place[2], line[place.end() :]
        if file == "cmdline":
            values["title"] = rest.strip()
        elif file == "stat":
            values["started"] = rest.rpartition(")")[2].split()[STARTED_AT]
        elif file == "limits":
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
    """Raises ValueError when `text` is no configuration, or one with a file missing."""
    _, *parts = _FILE_HEADER.split(text)
    if not parts:
        raise ValueError("no line '# configuration file'")
    trees = {
        file: blocks(nginx_paths.TOKEN, content)
        for file, content in zip(parts[::2], parts[1::2], strict=True)
    }
    ours = {file: tree for file, tree in trees.items() if not file.startswith(SNIPPETS)}
    main = parts[0]
    for named in _names(trees.values(), main):
        if not re.search(r"[*?\[]", named) and named not in trees:
            raise ValueError(f"it includes {named}, which is missing")
    root, base = (_included(trees[main], known, main) for known in (trees, ours))
    return Dump(tuple(trees), root, base, trees)


def _names(trees: Iterable[Block], main: str) -> Iterator[str]:
    """What the files include, as absolute names."""
    for tree in trees:
        for directive in tree.block:
            if directive.words[:1] == ("include",):
                # An absolute name replaces what it is joined to.
                yield os.path.join(os.path.dirname(main), directive.words[1])
            yield from _names([directive], main)


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


_NAMED_KINDS = ("file", "directory", "missing")


class NamedFile(NamedTuple):
    """A path that a snippet or a site names, on one machine. `digest` is comparable within one run;
    `where`: the file of configuration, below /etc/nginx, or the site's path."""

    kind: str
    digest: str
    directive: str
    where: str

    @property
    def may_come_later(self) -> bool:
        """Whether nginx does without it until it is there."""
        return self.directive in ("root", "alias", "directory")


def named_files(text: str) -> dict[str, NamedFile]:
    """By path. Raises ValueError for what is no whole list."""
    found: dict[str, NamedFile] = {}
    for line in counted(text, "{} named"):
        kind, digest, directive, path, where = line.split(" ")
        if kind not in _NAMED_KINDS or not path.startswith("/"):
            raise ValueError(line)
        found[path] = NamedFile(kind, digest, directive, where)
    return found
