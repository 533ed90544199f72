"""Words quoted for a shell."""

from __future__ import annotations

import shlex


def quoted(*words: object) -> str:
    """`words` as one shell command, each quoted."""
    return shlex.join(str(word) for word in words)
