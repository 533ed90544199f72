"""Where the controller keeps what it need not make again: ~/.cache/tandem."""

from __future__ import annotations

import os
from pathlib import Path


def kept(name: str, root: str | None = None) -> Path:
    """A directory for `name`, there from now on. Nobody else may write there, since what is kept is
    run: by root on the machines, or here."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(root or Path(cache) / "tandem") / name
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o700)
    return place
