"""What the repository's documents say in code: their headings, links, commands and names."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
# Where others' words are recorded: what they point at is not here.
RECORDED = ("tests/support/published/", "tests/support/snapshots/")
# Indented by as much, a line is code; a list's own lines are indented by less.
CODE_INDENT = 4


class Said(NamedTuple):
    """A piece of code in a document: a span between backticks, or a line of a block."""

    document: str
    line: int
    text: str
    span: bool

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.text.strip()}"


@cache
def tracked() -> frozenset[str]:
    """Every file of the repository, and every folder that has one, as paths below the root."""
    git = ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run(
        [*git, "--exclude-standard"], capture_output=True, text=True, check=True
    ).stdout.split("\0")
    names = {name for name in listed if name and (CHECKOUT / name).is_file()}
    folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    return frozenset(names | folders - {"."})


@cache
def text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8", errors="replace")


@cache
def documents() -> tuple[str, ...]:
    """Every document in Markdown."""
    found = (name for name in tracked() if name.endswith(".md") and not name.startswith(RECORDED))
    return tuple(sorted(found))


@cache
def sources() -> tuple[str, ...]:
    """Every other text of the repository but tests: what it tells people may point at documents."""
    kinds = (".py", ".j2", ".sh", ".pl", ".toml", ".yml", ".in", ".json", ".html")
    return tuple(
        sorted(
            name
            for name in tracked()
            if (CHECKOUT / name).is_file()
            and not name.startswith("tests/")
            and (name.endswith(kinds) or "." not in PurePosixPath(name).name)
        )
    )


@cache
def programs() -> str:
    """All of `sources`, and the names of all files: what a document names has to be in it."""
    return "\n".join([*tracked(), *(text(name) for name in sources())])


@cache
def words() -> frozenset[str]:
    """Every word of `programs`, and every beginning of one that ends in "_"."""
    found = set(re.findall(r"[A-Za-z_]\w*", programs()))
    found |= {word[: at.end()] for word in found for at in re.finditer("_", word)}
    return frozenset(found)


def _lines(name: str) -> Iterator[tuple[int, str, bool]]:
    """(number, line, whether it is code) of a document."""
    fenced = False
    for number, line in enumerate(text(name).splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        yield number, line, fenced or line.startswith(" " * CODE_INDENT)


@cache
def code(name: str) -> tuple[Said, ...]:
    """Every span and every line of a block in a document."""
    found = []
    prose = []
    for number, line, is_code in _lines(name):
        if is_code:
            found.append(Said(name, number, line, span=False))
            prose.append("")
        else:
            prose.append(line)
    joined = "\n".join(prose)
    for match in re.finditer(r"`([^`]+)`", joined):
        number = joined.count("\n", 0, match.start()) + 1
        found.append(Said(name, number, " ".join(match[1].split()), span=True))
    return tuple(found)


def all_code() -> Iterator[Said]:
    for name in documents():
        yield from code(name)


def every_line() -> Iterator[Said]:
    """Every line of every document, prose and code."""
    for name in documents():
        for number, line, _ in _lines(name):
            yield Said(name, number, line, span=False)


@cache
def headings(name: str) -> dict[str, str]:
    """A document's headings as they stand there, by their anchors, as GitHub makes them."""
    found = {}
    for _, line, is_code in _lines(name):
        if not is_code and (match := re.match(r"#+ (.+)", line)):
            said = match[1].replace("`", "").strip()
            anchor = re.sub(r"[^\w\- ]", "", said.lower()).replace(" ", "-")
            found[anchor] = said
    return found


def links(name: str) -> Iterator[tuple[int, str]]:
    """(line, target) of every link and picture of a document."""
    for number, line, is_code in _lines(name):
        if not is_code:
            for match in re.finditer(r"\]\(([^)\s]+)\)", line):
                yield number, match[1]
