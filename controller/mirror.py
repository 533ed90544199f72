"""Debian's archives as this machine's own apt has them; no mirror is named anywhere in here."""

from __future__ import annotations

import subprocess
from urllib.parse import urlsplit

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What `apt-get indextargets` is to print of each of its sources.
LIST = ("indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages")


def parse(listed: str) -> dict[str, str]:
    """Label ("Debian", "Debian-Security") → URI, the first of each, from what apt printed."""
    archives: dict[str, str] = {}
    for line in listed.splitlines():
        origin, label, uri = line.split("|")
        if origin == "Debian" and urlsplit(uri).scheme in ("http", "https"):
            archives.setdefault(label, uri)
    return archives


def debian() -> str:
    """The main archive. Raises `LookupError` where apt is missing or knows of none."""
    try:
        done = subprocess.run(["apt-get", *LIST], capture_output=True, text=True, check=True)
        return parse(done.stdout)["Debian"]
    except (FileNotFoundError, subprocess.CalledProcessError, KeyError) as error:
        raise LookupError(
            "apt knows no Debian mirror over http here: `apt-get update` has to work first"
        ) from error
