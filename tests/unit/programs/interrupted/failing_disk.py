"""A disk that fails, or whose machine loses its power, at the operation that a test chooses."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

# What a full disk refuses; one that is read-only or broken refuses all that changes anything.
_TAKES_ROOM = ("open", "write", "link", "symlink", "mkdir")
_CHANGES = (*_TAKES_ROOM, "fchmod", "chmod", "replace", "rename", "unlink", "rmdir")
_ALL = (*_CHANGES, "fsync")
FAULTS = {
    "full": (errno.ENOSPC, _TAKES_ROOM),
    "read-only": (errno.EROFS, _CHANGES),
    "broken": (errno.EIO, _ALL),
}


class PowerCut(BaseException):
    """Nothing is done any more, not even what was to be tidied up."""


class FailingDisk:
    """Counts the operations on files in this process, and lets the one numbered `at` fail.

    + fault: of FAULTS, or "power cut". lasting: all operations after it fail as well.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.at, self.fault, self.lasting = 0, 0, "", False
        self.failed = ""
        self.names: list[str] = []
        self._synced: set[int] = set()
        for name in _ALL:
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def arm(self, at: int, fault: str, *, lasting: bool = False) -> None:
        self.count, self.at, self.fault, self.lasting, self.failed = 0, at, fault, lasting, ""
        self.names.clear()

    def disarm(self) -> None:
        self.at = 0

    def _wrapped(self, name: str, real: Any) -> Any:
        def operation(*words: Any, **options: Any) -> Any:
            if name == "open" and not words[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return real(*words, **options)
            self._count(name, words)
            done = real(*words, **options) if name != "fsync" else None
            if name == "fsync":
                self._synced.add(os.fstat(words[0]).st_ino)
            elif name == "write":
                self._synced.discard(os.fstat(words[0]).st_ino)
            return done

        return operation

    def _count(self, name: str, words: tuple[Any, ...]) -> None:
        self.count += 1
        self.names.append(name)
        due = self.count == self.at or (self.lasting and self.at and self.count > self.at)
        if not due:
            return
        if self.fault == "power cut":
            self.failed = name
            raise PowerCut
        number, refused = FAULTS[self.fault]
        if name in refused:
            self.failed = name
            paths = [word for word in words if isinstance(word, str)]
            raise OSError(
                number, os.strerror(number), *paths[:1], *([None, *paths[1:2]] if paths[1:] else [])
            )

    def remember(self, root: Path) -> None:
        """What is there now has been on the disk for long."""
        self._synced |= {path.stat().st_ino for path in root.rglob("*") if path.is_file()}

    def lose_what_was_not_synced(self, root: Path) -> None:
        """The worst that a power cut leaves: the names of files, and nothing in them."""
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_ino not in self._synced:
                path.write_bytes(b"")
