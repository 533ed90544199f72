"""The cgroups of a lab, by which its processes are found and killed.

They are created at the root of the cgroup2 hierarchy, which exists on pure cgroup2 machines and
beside the old hierarchies on hybrid ones. No pid is stored or guessed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from lab.errors import LabError

DEATH_TIMEOUT_S = 10.0


def mount_point(mountinfo: str) -> Path | None:
    """The mount point of cgroup2 in the text of /proc/self/mountinfo; None without one."""
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        if source.split(" ")[0] == "cgroup2":
            return Path(mount.split(" ")[4])
    return None


def hierarchy() -> Path:
    """The mount point of cgroup2 on this machine. Raises `LabError` without one."""
    found = mount_point(Path("/proc/self/mountinfo").read_text())
    if found is None:
        raise LabError("There is no cgroup2 here: mount -t cgroup2 none /sys/fs/cgroup")
    return found


def root(tag: str) -> Path:
    """The cgroup of one lab."""
    return hierarchy() / tag


def create(group: Path) -> Path:
    """Create the cgroup and its parents, which delegate all their controllers.

    Guests can then limit their services. The root of the hierarchy, systemd's, is not changed.
    """
    above = group.parent
    if above != hierarchy():
        create(above)
        for controller in (above / "cgroup.controllers").read_text().split():
            try:
                (above / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError:
                continue  # used by a cgroup1 hierarchy: the guests do without it
    group.mkdir(exist_ok=True)
    return group


def alive(group: Path) -> bool:
    """Whether the cgroup or one below it has a process."""
    try:
        return "populated 1" in (group / "cgroup.events").read_text()
    except FileNotFoundError:
        return False


def kill(group: Path) -> None:
    """Kill every process in the cgroup and below it, and wait until they have ended.

    Raises `LabError` after `DEATH_TIMEOUT_S`.
    """
    try:
        (group / "cgroup.kill").write_text("1")
    except FileNotFoundError:
        return
    deadline = time.monotonic() + DEATH_TIMEOUT_S
    while alive(group):
        if time.monotonic() > deadline:
            raise LabError(f"Processes in {group} do not end; a device or file system hangs.")
        time.sleep(0.002)


def freeze(group: Path, frozen: bool) -> None:
    """Have every process in the cgroup and below it stand still, or go on; return when it does.

    Raises `LabError` after `DEATH_TIMEOUT_S`, or where there is no such cgroup.
    """
    try:
        (group / "cgroup.freeze").write_text(str(int(frozen)))
        deadline = time.monotonic() + DEATH_TIMEOUT_S
        while is_frozen(group) is not frozen:
            if time.monotonic() > deadline:
                raise LabError(
                    f"Processes in {group} do not {'stand still' if frozen else 'go on'}."
                )
            time.sleep(0.002)
    except FileNotFoundError:
        raise LabError(f"There is no process in {group}: the machine is off.") from None


def is_frozen(group: Path) -> bool:
    """Whether every process in the cgroup stands still."""
    return "frozen 1" in (group / "cgroup.events").read_text()


def remove(group: Path) -> None:
    """Kill the processes of the cgroup and remove it with all below it."""
    kill(group)
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)
