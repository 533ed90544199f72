"""releases.lock: checksums of releases that settings/releases.py does not list, once pinned.

It lies beside the inventory, and belongs into version control with it. A line is sha256sum's own:

    <64 hexadecimal digits>  nginx-1.31.2.tar.gz

A version is added once its tarball has been found to be signed by one of `releases.SIGNERS`; from
then on another tarball of the same version is refused, whoever has signed it.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from settings.values import ROOT

_LINE = re.compile(r"([0-9a-f]{64})  nginx-(\d+\.\d+\.\d+)\.tar\.gz")


def path() -> Path:
    """The file beside the inventory of this run; beside this repository's where there is none."""
    context = click.get_current_context(silent=True)
    inventory = Path((context.params.get("inventory") if context else None) or "")
    directory = inventory.parent if inventory.suffix == ".py" and inventory.is_file() else ROOT
    return directory / "releases.lock"


def read(lock: Path) -> dict[str, str]:
    """sha256 by version. Raises ValueError, with the line, for one that is not as they are."""
    try:
        lines = lock.read_text().splitlines()
    except FileNotFoundError:
        return {}
    pinned: dict[str, str] = {}
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if not found or pinned.setdefault(found[2], found[1]) != found[1]:
            raise ValueError(line)
    return pinned


def pin(lock: Path, version: str, sha256: str) -> None:
    """Add a line. Raises OSError if it cannot be written."""
    with lock.open("a+") as file:
        file.seek(0)
        if (text := file.read()) and not text.endswith("\n"):
            file.write("\n")  # edited by hand
        file.write(f"{sha256}  nginx-{version}.tar.gz\n")
