"""One file on a machine: written beside its place, checked there, and moved in by one rename.

pyinfra's own file operations overwrite in place and know no check; a reader may see half a file,
and a broken configuration stays. `--diff` shows what changes, except in a secret file.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
import secrets
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import click
from pyinfra import host
from pyinfra.api import FactBase, Host, QuoteString, StringCommand
from pyinfra.context import ctx_host
from pyinfra.operations.util.files import generate_color_diff

from controller import run_changes
from controller.batched_facts import LinesFact, change, parallel, patience_s
from controller.ssh.machine_connector import BYTES_PER_S, LIMIT_S

# A part of the names that uploads have on their way: two controllers at once never share one.
RUN_TOKEN = secrets.token_hex(4)
# Writes what a command was `fed` to the file named behind it.
RECEIVE = "base64 -d >"


class FileState(NamedTuple):
    """What a deploy compares of a file."""

    mode: str
    user: str
    group: str
    sha256: str


class InstalledFiles(FactBase[dict[str, FileState]]):
    """The states of those regular files among `paths` that are there, in one round trip."""

    default = dict

    def command(self, paths: tuple[str, ...]) -> str:
        names = shlex.join(paths)
        return f"{{ stat -c '%a %U %G %n' {names}; sha256sum {names}; }} 2>/dev/null || true"

    def process(self, output: list[str]) -> dict[str, FileState]:
        lines = [line.split() for line in output]
        sums = {words[1]: words[0] for words in lines if len(words) == 2}
        return {
            path: FileState(mode, user, group, sums.get(path, ""))
            for mode, user, group, path in (words for words in lines if len(words) == 4)
            if path in sums
        }


class FileText(LinesFact):
    """A file's lines, empty where there is none: for `--diff`."""

    def command(self, path: str) -> StringCommand:
        return StringCommand("cat", QuoteString(path), "2>/dev/null || true")


# Paths of the files whose states this run asks for, by machine.
_paths: WeakKeyDictionary[Host, set[str]] = WeakKeyDictionary()


def _files(*more: str) -> tuple[str, ...]:
    this = ctx_host.get()  # type: ignore[no-untyped-call]
    return tuple(sorted(_paths.setdefault(this, set()) | set(more)))


def state_of(path: str) -> FileState | None:
    """The state of the regular file at `path`, None where there is none."""
    return parallel.get(InstalledFiles, paths=_files(path)).get(path)


def text_of(path: str) -> str:
    """What is in the file at `path`, "" where there is none; a round trip of its own."""
    return "".join(f"{line}\n" for line in host.get_fact(FileText, path=path))


def ask_ahead(path: str) -> None:
    """Have the state of the file at `path` asked for together with that of all others."""
    _paths.setdefault(ctx_host.get(), set()).add(path)  # type: ignore[no-untyped-call]
    parallel.request(InstalledFiles, key=InstalledFiles, paths=_files())


def file(name: str, path: str, content: str | bytes, **arguments: Any) -> None:
    """`write` a file whose state is asked for together with that of all others."""
    ask_ahead(path)
    write(name=name, path=path, content=content, **arguments)


# What is known of all other files stays: nothing is asked between one file and the next.
@change("{path} is as it should be", amends={InstalledFiles})
def write(
    path: str,
    content: str | bytes,
    *,
    mode: str = "644",
    user: str = "root",
    group: str = "root",
    check: str = "",
    secret: bool = False,
    told_as: str = "",
) -> Iterator[StringCommand]:
    """Make the file at `path` have `content`, `mode` and owner.

    + check: a shell command that judges the new file before it is moved in; `{new}` stands for its
      path. If it fails, the old file stays as it is and the run stops with what it said.
    + secret: never shown by --diff, and readable by nobody but its owner while it is written.
    + told_as: the path that it gets in the machine's turn, where this is only where it waits.
    """
    data = content if isinstance(content, bytes) else content.encode()
    wanted = FileState(mode, user, group, hashlib.sha256(data).hexdigest())
    found = state_of(path)
    if found == wanted:
        return
    if found and found.sha256 == wanted.sha256:
        yield StringCommand("chown", f"{user}:{group}", QuoteString(path))
        yield StringCommand("chmod", mode, QuoteString(path))
        _note(path, wanted)
        return
    if run_changes.is_planning():
        run_changes.this_plan().texts[path] = content
    if host.state.config.DIFF and not secret:
        show_difference(path, content)
    # In the same directory, so that the move is a rename and relative includes are found; with a
    # dot in front, so that no `*.conf` takes it up before its time.
    new = beside(path)
    quoted = QuoteString(new)
    judged = ("(", check.format(new=shlex.quote(new)), ") >&2 || { rm -f", quoted, "; exit 1; };")
    # A full disk is found out before anything counts, and said with what to do.
    yield fed(
        data,
        *("mkdir -p", QuoteString(posixpath.dirname(path)), "&& rm -f", quoted),
        *("&& install -m 600 /dev/null", quoted, "&&", RECEIVE, quoted, "&& sync", quoted),
        *("|| { rm -f", quoted, "; echo 'Make room there, or see why it is read-only: then deploy"),
        "again.' >&2; exit 1; };",
        *(whole(new, wanted.sha256), "&& chown", f"{user}:{group}", quoted),
        *("&& chmod", mode, quoted, "&& sync", quoted, "|| exit;"),
        *(judged if check else ()),
        *("mv -fT", quoted, QuoteString(path)),
        *("&& sync", QuoteString(posixpath.dirname(path))),
        # What runs that were cut off have left.
        *("&& rm -f", _left_overs(path)),
    )
    _note(path, wanted)


def _note(path: str, state: FileState) -> None:
    parallel.amend(InstalledFiles, lambda files: {**files, path: state})


def fed(data: bytes, *words: str | QuoteString) -> StringCommand:
    """The command of `words`, in one round trip with `data`, which `RECEIVE` takes in there.

    For what fits in memory; pyinfra's standard input is text. It may take as long as a slow
    connection needs for it.
    """
    text = base64.b64encode(data).decode()
    limit_s = patience_s(LIMIT_S) + len(text) // BYTES_PER_S
    return StringCommand(*words, _stdin=text, _timeout=limit_s)


def beside(path: str) -> str:
    """Where a file is uploaded to before it gets its name: of this run alone."""
    return posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.{RUN_TOKEN}.new")


def _left_overs(path: str) -> str:
    directory, name = posixpath.split(path)
    return f"{shlex.quote(directory)}/.{shlex.quote(name)}.*.new"


def whole(path: str, sha256: str) -> str:
    """Shell that ends with exit 1 unless all of what was sent has arrived in the file at `path`."""
    return (
        f"{{ echo {shlex.quote(f'{sha256}  {path}')} | sha256sum --check --quiet - >&2 || "
        f"{{ rm -f {shlex.quote(path)}; echo 'What has arrived is not what was sent. "
        "Deploy again.' >&2; exit 1; }; }"
    )


def show_difference(path: str, content: str | bytes) -> None:
    """Tell what changes in the file, line by line; of a binary file how long the new one is. A plan
    has it, so that machines with the same are told of together; without a plan it is logged."""
    if isinstance(content, bytes):
        told = [f"binary, {len(content)} bytes"]
    else:
        before = host.get_fact(FileText, path=path)
        told = list(generate_color_diff(before, content.splitlines()))
    if run_changes.is_planning():
        run_changes.this_plan().differences[path] = told
    elif path not in run_changes.this_plan().differences:
        host.log(f"changes {click.style(path, bold=True)}")
        for line in told:
            host.log(f"  {line}")
