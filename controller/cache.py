"""Directories on the controller for what it need not make again, below ~/.cache/tandem."""

from __future__ import annotations

import os
from pathlib import Path

from settings import Refused


def cache_directory(name: str, root: str | None = None) -> Path:
    """The directory for `name`, below `root` if given; made if it is missing.

    Nobody else may write there: what is kept runs as root on the machines, or here. Raises
    `Refused`, with the remedy, where it cannot be made.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(root or Path(cache) / "tandem") / name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise Refused(unwritable(directory, error)) from error
    return directory


def unwritable(path: Path, error: OSError) -> str:
    """Why nothing can be kept at `path` on this controller, and what to do."""
    return (
        f"{path}, on this controller, cannot be written: {error.strerror or error}. Make room, or "
        "let XDG_CACHE_HOME name a directory in which it can be. No machine was touched."
    )
