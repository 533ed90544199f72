"""What cannot be made into a site's files, or be read from this controller at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from settings import content
from settings.values import local_path


def in_directory(directory: Path) -> Iterator[str]:
    """What would be right, if a site cannot be made of it."""
    try:
        empty = not any(directory.iterdir())
    except OSError as error:
        yield f"give a directory that can be read ({error.strerror})"
        return
    if empty:
        yield "this directory is empty; give one with the site's files"
        return
    try:
        content.entries(directory)
    except content.ContentError as error:
        yield str(error)


def unreadable(path: str) -> str:
    """Why a file that a setting names cannot be read, "" if it can."""
    try:
        with local_path(path).open("rb"):
            return ""
    except OSError as error:
        return error.strerror or str(error)
