"""tandem-watch: tells keepalived what this node's nginx is worth. The classic profile has none."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from controller import batched_facts, program_archive, rendering
from settings import Cluster, Node
from tasks.machine import one_file, service_state, tmpfiles, units
from tasks.machine.survey import Machine

SERVICE = "tandem-watch"
PROGRAM = "/usr/lib/tandem/watch"
DIRECTORIES = "/etc/tmpfiles.d/tandem-watch.conf"
# Succeeds once this node may hold the VIP: the next machine's turn must not begin before.
TRUSTS = f"{{ ! {service_state.MANAGER} is-active -q {SERVICE} || grep -qx 0 /run/tandem/failed; }}"


def configure(node: Node, cluster: Cluster, machine: Machine) -> None:
    """Have the watch, or have it gone."""
    if node.classic:
        unit_path = units.path(SERVICE, machine)
        one_file.ahead(unit_path)
        absent(name="Watch: not in the classic profile", unit=unit_path)
        return
    one_file.file(
        name="Watch: the program",
        path=PROGRAM,
        content=program_archive.archive("watch/watch"),
        mode="755",
    )
    tmpfiles.have(DIRECTORIES, rendering.read("watch/tmpfiles.conf"))
    unit = units.watch(node, cluster, machine, directories=DIRECTORIES)
    one_file.file(name="Watch: its unit", path=unit.path, content=unit.content, mode=unit.mode)


@operation()
def absent(unit: str) -> Generator[StringCommand, None, None]:
    """Remove the watch of another profile. What it wrote last stays until keepalived's turn."""
    if one_file.state_of(unit) is None:
        host.noop("there is none")
        return
    batched_facts.changed()
    yield StringCommand(f"{service_state.MANAGER} disable --now {SERVICE}")
    yield StringCommand(f"rm -f {unit} {PROGRAM} {DIRECTORIES}")
