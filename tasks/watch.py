"""tandem-watch: tells keepalived what this node's nginx is worth. The classic profile has none."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from settings import Cluster, Node
from tasks import asking, place, rendering, tmpfiles

SERVICE = "tandem-watch"
UNIT = f"/etc/systemd/system/{SERVICE}.service"
PROGRAM = "/usr/lib/tandem/watch"
DIRECTORIES = "/etc/tmpfiles.d/tandem-watch.conf"
# Succeeds once this node may hold the VIP: the next machine's turn must not begin before.
TRUSTS = f"{{ ! systemctl is-active -q {SERVICE} || grep -qx 0 /run/tandem/failed; }}"


def configure(node: Node, cluster: Cluster) -> None:
    """Have the watch, or have it gone."""
    if node.classic:
        place.ahead(UNIT)
        absent(name="Watch: not in the classic profile")
        return
    place.file(
        name="Watch: the program",
        path=PROGRAM,
        content=rendering.read("tandem/watch"),
        mode="755",
    )
    tmpfiles.have(DIRECTORIES, rendering.read("tandem/tmpfiles.conf"))
    place.file(
        name="Watch: systemd unit",
        path=UNIT,
        content=rendering.render("systemd/tandem-watch.service.j2", node=node, cluster=cluster),
    )


@operation()
def absent() -> Generator[StringCommand, None, None]:
    """Remove the watch of another profile. What it wrote last stays until keepalived's turn."""
    if place.state_of(UNIT) is None:
        host.noop("there is none")
        return
    asking.changed()
    yield StringCommand(f"systemctl disable --now {SERVICE}")
    yield StringCommand(f"rm -f {UNIT} {PROGRAM} {DIRECTORIES}")
