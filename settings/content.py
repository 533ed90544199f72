"""A site's files as one tar archive, named by a digest: equal files make equal archives."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# What a version control system keeps is no part of a site, and often holds secrets.
LEFT_OUT = frozenset({".git", ".hg", ".svn"})


class ContentError(Exception):
    """A directory that cannot be a site; the message says why."""


@dataclass(frozen=True)
class Entry:
    """One file of a site.

    path: inside the site. source: on this machine. size: in bytes. modified_s: since the epoch.
    signature: numbers of its inode that change when the file does, so that it need not be read.
    """

    path: str
    source: Path
    size: int
    modified_s: int
    signature: tuple[int, ...]


def entries(directory: Path) -> list[Entry]:
    """The files of a site, by path. Links are followed inside it. Raises `ContentError`."""
    top = directory.resolve()
    return sorted(_walk(top, top, ""), key=lambda entry: entry.path)


def _walk(top: Path, directory: Path, prefix: str) -> Iterator[Entry]:
    for item in sorted(os.scandir(directory), key=lambda item: item.name):
        path = f"{prefix}{item.name}"
        if item.name in LEFT_OUT:
            continue
        target = Path(item.path).resolve()
        if item.is_symlink() and not target.is_relative_to(top):
            raise ContentError(f"{path} leads out of it, to {target}; put a copy there")
        if item.is_symlink() and directory.resolve().is_relative_to(target):
            raise ContentError(f"{path} leads to a directory that it is in itself")
        try:
            known = item.stat()
        except OSError as error:
            raise ContentError(f"{path} cannot be read ({error.strerror})") from error
        if stat.S_ISDIR(known.st_mode):
            yield from _walk(top, Path(item.path), f"{path}/")
        elif stat.S_ISREG(known.st_mode):
            signature = (known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns)
            yield Entry(path, Path(item.path), known.st_size, int(known.st_mtime), signature)
        else:
            raise ContentError(f"{path} is neither a file nor a directory")


def digest(found: list[Entry]) -> str:
    """16 hexadecimal digits of names, bytes and times.

    Times, because nginx makes its ETag of size and time, and every machine has to give the same.
    """
    whole = hashlib.sha256()
    for entry in found:
        with entry.source.open("rb") as file:
            inside = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{entry.path}\0{entry.modified_s}\0{inside}\n".encode())
    return whole.hexdigest()[:16]


def known_digest(directory: Path, memory: Path) -> str:
    """`digest` of a site, kept in the directory `memory` until one of its files changes."""
    found = entries(directory)
    signature = [[entry.path, *entry.signature] for entry in found]
    kept = memory / hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
    with suppress(OSError, ValueError, KeyError):
        before = json.loads(kept.read_text())
        if before["signature"] == signature:
            return str(before["digest"])
    made = digest(found)
    new = kept.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # it is found out again, then
        new.write_text(json.dumps({"signature": signature, "digest": made}))
        new.replace(kept)
    return made


def pack(directory: Path, archive: IO[bytes]) -> None:
    """Write the site to `archive` as a tar; its files are root's and readable by everybody."""
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries(directory):
            with entry.source.open("rb") as file:
                member = tarfile.TarInfo(entry.path)
                member.size, member.mtime, member.mode = entry.size, entry.modified_s, 0o644
                tar.addfile(member, file)


def page_digest(page: str) -> str:
    """16 hexadecimal digits of what the page says."""
    return hashlib.sha256(page.encode()).hexdigest()[:16]


def pack_page(page: str, archive: IO[bytes]) -> None:
    """Write one line to `archive`, as index.html.

    Its time is made of what it says, so that a browser finds it changed when it is.
    """
    data = f"{page}\n".encode()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("index.html")
        member.size, member.mode = len(data), 0o644
        # A second in the first thirty years after the epoch.
        member.mtime = int(page_digest(page), 16) % (30 * 365 * 86400)
        tar.addfile(member, io.BytesIO(data))
