"""Where a lab keeps what it needs: one directory in the checkout, and a cache beside others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lab.plan import Machine

STATE = ".lab"
PACKAGE = Path(__file__).resolve().parent


def checkout_of(directory: Path) -> Path:
    """The checkout that `directory` lies in; elsewhere, the one that this package lies in.

    By directory, as git has it: the `lab` of one checkout's environment must not change the lab of
    another checkout than the one a person stands in.
    """
    for folder in (directory, *directory.parents):
        if (folder / "lab" / "guests" / "machine.sh").is_file():
            return folder.resolve()
    return PACKAGE.parent


def user_cache() -> Path:
    """The user's cache directory, also where HOME has been replaced by `lab run`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def lab_cache() -> Path:
    """What outlives labs, and is shared by all of a user's."""
    return user_cache() / "tandem" / "lab"


@dataclass(frozen=True)
class State:
    """The lab's directory; nothing of it is left after `lab down`."""

    root: Path

    @property
    def plan(self) -> Path:
        return self.root / "lab.json"

    @property
    def apt_conf(self) -> Path:
        return self.root / "apt.conf"

    @property
    def home(self) -> Path:
        """The home directory of commands in the lab, whose .ssh makes its machines known."""
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

    def machine(self, machine: Machine) -> Path:
        """Disk, host key and cable of one machine."""
        return self.root / "machines" / machine.slug

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"
