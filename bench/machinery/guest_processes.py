"""The processes of a lab's machine, as this computer numbers them."""

from __future__ import annotations

from lab.guests.guest import group
from lab.plan import LabMachine
from lab.twin import Lab


def pids_of(lab: Lab, machine: LabMachine, command: bytes = b"") -> list[int]:
    """Those whose command line begins so; the first of all is the machine's init."""
    found: list[int] = []
    for file in sorted((group(lab.plan.tag, machine) / "guest").rglob("cgroup.procs")):
        found += [int(line) for line in file.read_text().split()]
    commands = {pid: _command(pid) for pid in sorted(found)}
    return [
        pid
        for pid, its in commands.items()
        if its and its.startswith(command) and b"systemd-nspawn" not in its
    ]


def _command(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""
