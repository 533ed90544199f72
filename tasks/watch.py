"""tandem-watch: tells keepalived what this node's nginx is worth. The classic profile has none."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from settings import Cluster, Node
from tasks import asking, place, rendering, service, tmpfiles, units
from tasks.machine import Machine

SERVICE = "tandem-watch"
PROGRAM = "/usr/lib/tandem/watch"
DIRECTORIES = "/etc/tmpfiles.d/tandem-watch.conf"
# Succeeds once this node may hold the VIP: the next machine's turn must not begin before.
TRUSTS = f"{{ ! {service.MANAGER} is-active -q {SERVICE} || grep -qx 0 /run/tandem/failed; }}"


def configure(node: Node, cluster: Cluster, machine: Machine) -> None:
    """Have the watch, or have it gone."""
    if node.classic:
        unit_path = units.path(SERVICE, machine)
        place.ahead(unit_path)
        absent(name="Watch: not in the classic profile", unit=unit_path)
        return
    place.file(
        name="Watch: the program",
        path=PROGRAM,
        content=rendering.read("tandem/watch"),
        mode="755",
    )
    tmpfiles.have(DIRECTORIES, rendering.read("tandem/tmpfiles.conf"))
    unit = units.watch(node, cluster, machine, directories=DIRECTORIES)
    place.file(name="Watch: its unit", path=unit.path, content=unit.content, mode=unit.mode)


@operation()
def absent(unit: str) -> Generator[StringCommand, None, None]:
    """Remove the watch of another profile. What it wrote last stays until keepalived's turn."""
    if place.state_of(unit) is None:
        host.noop("there is none")
        return
    asking.changed()
    yield StringCommand(f"{service.MANAGER} disable --now {SERVICE}")
    yield StringCommand(f"rm -f {unit} {PROGRAM} {DIRECTORIES}")
