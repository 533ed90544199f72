"""tandem-watch tells keepalived whether this node's nginx serves. The classic profile has none."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from controller import batched_facts, program_archive, rendering
from settings import Cluster, Node
from tasks.machine import one_file, service_state, tmpfiles, units
from tasks.machine.footprint import Footprint
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import SurveyedMachine
from tasks.machine.units import UnitFile
from tasks.sysv import init_script

NAME = "tandem-watch"
SERVICE = ManagedService(NAME, "/usr/bin/python3")
PROGRAM = "/usr/lib/tandem/watch"
DIRECTORIES = "/etc/tmpfiles.d/tandem-watch.conf"
FOOTPRINT = Footprint(
    concern="the watch",
    units=(NAME,),
    files=(PROGRAM, DIRECTORIES, f"/run/{NAME}.*"),
    # (Its service makes the second where there is no systemd, and keeps nothing there.)
    trees=(f"/run/{NAME}", f"/var/lib/{NAME}"),
)
# Succeeds once this node may hold the VIP: the next machine's turn must not begin before.
NGINX_TRUSTED = (
    f"{{ ! {service_state.MANAGER} is-active -q {NAME} || grep -qx 0 /run/tandem/failed; }}"
)


def unit_file(node: Node, cluster: Cluster, machine: SurveyedMachine) -> UnitFile:
    """Its unit, or init script."""
    path = units.path(NAME, machine)
    if machine.systemd:
        text = rendering.render("watch/tandem-watch.service.j2", node=node, cluster=cluster)
        return UnitFile(path, text)
    command = rendering.render("watch/watch-command.j2", node=node, cluster=cluster)
    script = init_script.daemon(
        NAME,
        "watches nginx and keepalived for Tandem",
        command.replace("\\\n", " "),
        directories=DIRECTORIES,
    )
    return UnitFile(path, script, "755")


def configure(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Install the watch; in the classic profile, remove it."""
    if node.classic:
        one_file.ask_ahead(units.path(NAME, machine))
        remove(name="Watch: not in the classic profile", machine=machine)
        return
    one_file.file(
        name="Watch: the program",
        path=PROGRAM,
        content=program_archive.archive("watch/watch"),
        mode="755",
    )
    tmpfiles.install(DIRECTORIES, rendering.read("watch/tmpfiles.conf"))
    units.install("Watch: its unit", unit_file(node, cluster, machine))


@operation()
def remove(machine: SurveyedMachine) -> Generator[StringCommand, None, None]:
    """Stop and remove the watch. What it wrote last stays until keepalived's turn."""
    unit = units.path(NAME, machine)
    if one_file.state_of(unit) is None:
        host.noop("it is not installed")
        return
    batched_facts.invalidate()
    yield StringCommand(f"{service_state.MANAGER} disable --now {NAME}")
    yield StringCommand(f"rm -f {unit} {PROGRAM} {DIRECTORIES}")
