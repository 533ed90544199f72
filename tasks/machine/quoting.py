"""Words quoted for a shell."""

from __future__ import annotations

import shlex


def placed(address: object, interface: str, usual: str) -> str:
    """An address as our programs are given it: @INTERFACE says where it is, but for the `usual`
    one, which they are given once."""
    return f"{address}" if interface == usual else f"{address}@{interface}"


def quoted(*words: object) -> str:
    """`words` as one shell command, each quoted."""
    return shlex.join(str(word) for word in words)
