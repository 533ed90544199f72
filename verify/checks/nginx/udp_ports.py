"""Whether a port of UDP is nginx's: nobody answers a datagram of ours for sure."""

from __future__ import annotations

from collections.abc import Iterator

from verify.read.machine_view import MachineView


def held_otherwise(machine: MachineView, port: int) -> Iterator[str]:
    """What is wrong with who has it."""
    ours = {process.pid for process in machine.nginx_processes}
    found = [item for item in machine.udp_sockets if item.port == port]
    programs = {(name, pid) for item in found for name, pid in item.programs}
    if not any(pid in ours for _, pid in programs):
        yield f"nginx has no socket of UDP on {port}"
    for name, pid in sorted(programs):
        if pid not in ours:
            yield f"{name} (pid {pid}) has a socket of UDP on {port}"
