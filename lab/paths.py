"""Paths of a lab: its directory in the checkout, and a cache shared by all labs of a user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lab.plan import LabMachine

STATE = ".lab"
PACKAGE = Path(__file__).resolve().parent


def checkout_of(directory: Path) -> Path:
    """The checkout that contains `directory`; outside of any, the one that contains this package.

    The current directory decides, as in git: the `lab` installed from one checkout must not change
    the lab of another.
    """
    for folder in (directory, *directory.parents):
        if (folder / "lab" / "guests" / "machine.sh").is_file():
            return folder.resolve()
    return PACKAGE.parent


def user_cache() -> Path:
    """The user's cache directory; `lab run`, which replaces HOME, passes it on."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def lab_cache() -> Path:
    """The cache that outlives labs and is shared by all labs of a user."""
    return user_cache() / "tandem" / "lab"


@dataclass(frozen=True)
class State:
    """The paths below the lab's directory, which `lab down` removes."""

    root: Path

    @property
    def plan(self) -> Path:
        return self.root / "lab.json"

    @property
    def apt_conf(self) -> Path:
        return self.root / "apt.conf"

    @property
    def home(self) -> Path:
        """The home directory of commands in the lab; its .ssh knows the machines."""
        return self.root / "home"

    @property
    def ssh(self) -> Path:
        return self.home / ".ssh"

    @property
    def key(self) -> Path:
        return self.ssh / "id_ed25519"

    @property
    def mail(self) -> Path:
        return self.root / "mail"

    @property
    def run(self) -> Path:
        """Sockets and configuration of the gateway's services."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    def machine(self, machine: LabMachine) -> Path:
        """The directory with one machine's disk, host key and cable state."""
        return self.root / "machines" / machine.slug

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"
