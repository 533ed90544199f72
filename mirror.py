"""Debian's mirror, as this machine's own apt has it."""

from __future__ import annotations

import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def debian() -> str:
    """The address of the main archive that this machine uses, with its path.

    Raises `LookupError` where apt is missing or knows no Debian archive.
    """
    for uri in configured():
        if "security" not in uri:
            return uri
    raise LookupError("this machine's apt names no Debian archive in its sources")


def configured() -> list[str]:
    """Every archive that apt is configured with, in order, each once."""
    try:
        listed = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise LookupError(f"apt-get cannot list its sources: {error}") from error
    return list(dict.fromkeys(listed.stdout.split()))
