"""Every process of a lab lives in a cgroup of the lab's: there it is found, counted and ended.

The cgroups are made by hand at the root of the cgroup2 hierarchy, which exists on pure cgroup2
machines and beside the old hierarchies on hybrid ones. No pid is ever remembered or guessed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from lab.errors import LabError

DEATH_TIMEOUT_S = 10.0


def mount_point(mountinfo: str) -> Path | None:
    """Where the cgroup2 hierarchy is mounted, by the text of /proc/self/mountinfo."""
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        if source.split(" ")[0] == "cgroup2":
            return Path(mount.split(" ")[4])
    return None


def hierarchy() -> Path:
    """Where this machine has its cgroup2 hierarchy."""
    found = mount_point(Path("/proc/self/mountinfo").read_text())
    if found is None:
        raise LabError("There is no cgroup2 here: mount -t cgroup2 none /sys/fs/cgroup")
    return found


def root(tag: str) -> Path:
    """The cgroup that holds everything of one lab."""
    return hierarchy() / tag


def create(group: Path) -> Path:
    """Make the cgroup, below those above it, with all controllers that they can pass on.

    Guests can then limit their services. The hierarchy's own root is systemd's and left alone.
    """
    above = group.parent
    if above != hierarchy():
        create(above)
        for controller in (above / "cgroup.controllers").read_text().split():
            try:
                (above / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError:
                continue  # it is in use in another way here: the guests do without it
    group.mkdir(exist_ok=True)
    return group


def alive(group: Path) -> bool:
    """Whether any process lives in the cgroup or below it."""
    try:
        return "populated 1" in (group / "cgroup.events").read_text()
    except FileNotFoundError:
        return False


def kill(group: Path) -> None:
    """End every process in the cgroup and below it at the same instant, and wait for it."""
    try:
        (group / "cgroup.kill").write_text("1")
    except FileNotFoundError:
        return
    deadline = time.monotonic() + DEATH_TIMEOUT_S
    while alive(group):
        if time.monotonic() > deadline:
            raise LabError(f"Processes in {group} do not end; a device or file system hangs.")
        time.sleep(0.002)


def remove(group: Path) -> None:
    """End what lives in the cgroup and remove it with all below it."""
    kill(group)
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)
