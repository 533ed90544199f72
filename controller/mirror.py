"""Debian's archives, as this machine's own apt names them: no mirror is named in Tandem."""

from __future__ import annotations

import subprocess
from urllib.parse import urlsplit

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Prints a line for each source of apt: whose it is, which archive, and its URI.
LIST = ("indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages")


def parse(listed: str) -> dict[str, str]:
    """URIs by label ("Debian", "Debian-Security"), the first of each, from the output of apt."""
    archives: dict[str, str] = {}
    for line in listed.splitlines():
        origin, label, uri = line.split("|")
        if origin == "Debian" and urlsplit(uri).scheme in ("http", "https"):
            archives.setdefault(label, uri)
    return archives


def debian() -> str:
    """The URI of the main archive. Raises LookupError if apt is missing or has none over HTTP."""
    try:
        done = subprocess.run(["apt-get", *LIST], capture_output=True, text=True, check=True)
        return parse(done.stdout)["Debian"]
    except (FileNotFoundError, subprocess.CalledProcessError, KeyError) as error:
        raise LookupError(
            "apt knows no Debian mirror over http here: `apt-get update` has to work first"
        ) from error
