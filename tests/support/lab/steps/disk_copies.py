"""Copies of the disks of a lab, by which machines are soon what they were."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lab.guests import disk
from lab.twin import Lab


def keep(lab: Lab, into: Path) -> None:
    """Copy the disks of all machines, which are switched off for it and on again."""
    for machine in lab.machines:
        # Whatever a machine has not written by now, it would lose with its power.
        lab.ssh(machine.name, "sync")
        lab.power_off(machine.name)
    for machine in lab.machines:
        _copy(lab.state.machine(machine) / "upper", into / machine.name)
    for machine in lab.machines:
        lab.power_on(machine.name)


def put_back(lab: Lab, kept: Path) -> None:
    """Have all machines start from the disks in `kept`, which may be those of another lab."""
    for machine in lab.machines:
        lab.power_off(machine.name)
    for machine in lab.machines:
        folder = lab.state.machine(machine)
        shutil.rmtree(folder / "upper")
        _copy(kept / machine.name, folder / "upper")
        # A machine is known by these.
        for name, (text, mode) in disk.identity(lab.state.host_key(machine), lab.state.key).items():
            path = folder / "upper" / name
            path.unlink()
            path.write_text(text)
            path.chmod(mode)
    for machine in lab.machines:
        lab.power_on(machine.name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # An overlay says in extended attributes what of its base is hidden.
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)
