"""Who runs this, from where, and which revision of Tandem and of its inventory it is."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
UNKNOWN = "unknown"


@cache
def describe(root: Path = _ROOT) -> str:
    """`git describe --always --dirty` of the checkout at `root`; "unknown" where that is none."""
    # Not a repository that this directory only happens to lie in, nor one that a hook speaks of.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_CEILING_DIRECTORIES": str(root.parent), "LC_ALL": "C"}
    # Its files may be another user's: whoever runs this has read them as Python by now.
    words = ("-c", f"safe.directory={root}", "describe", "--always", "--dirty")
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return done.stdout.strip() or UNKNOWN


@cache
def controller() -> str:
    """This machine's name, as it says itself."""
    return socket.gethostname() or UNKNOWN


@cache
def operator() -> str:
    """USER@HOST: who has logged in, also behind sudo or doas, and from where."""
    came_from = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    return f"{user()}@{came_from or controller()}"


def user() -> str:
    """Who has logged in here, also behind sudo or doas."""
    if known := os.environ.get("SUDO_USER") or os.environ.get("DOAS_USER"):
        return known
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        return str(os.getuid())
