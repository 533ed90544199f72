"""Directories on the controller for what it need not make again, below ~/.cache/tandem."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory(name: str, root: str | None = None) -> Path:
    """The directory for `name`, below `root` if given; made if it is missing.

    Nobody else may write there: what is kept runs as root on the machines, or here.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(root or Path(cache) / "tandem") / name
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    return directory
