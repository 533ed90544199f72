"""Paths of a lab: its directory in the checkout, and a cache shared by all labs of a user."""

from __future__ import annotations

import os
from pathlib import Path

from lab.plan import LabMachine

STATE = ".lab"
# The checkout's own authority and what it has issued: they are there before a lab is, and after.
AUTHORITY = ".lab-ca"
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


class State:
    """The paths below the lab's directory, which `lab down` removes."""

    def __init__(self, root: Path):
        self.root = root
        self.plan = root / "lab.json"
        self.apt_conf = root / "apt.conf"
        # The home directory of commands in the lab; its .ssh knows the machines.
        self.home = root / "home"
        self.ssh = self.home / ".ssh"
        self.key = self.ssh / "id_ed25519"
        self.mail = root / "mail"
        # Sockets and configuration of the gateway's services.
        self.run = root / "run"
        self.logs = root / "log"

    def machine(self, machine: LabMachine) -> Path:
        """The directory with one machine's disk, host key and cable state."""
        return self.root / "machines" / machine.slug

    def host_key(self, machine: LabMachine) -> Path:
        """The machine's private SSH key, which it keeps when it is wiped."""
        return self.machine(machine) / "host_key"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"
