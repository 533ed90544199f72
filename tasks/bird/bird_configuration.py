"""BIRD's configuration: staged and tested on all machines, put into service in each turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller import program_archive, rendering, run_changes
from controller.batched_facts import change
from settings import Cluster, Node
from tasks.machine import one_file, service_state, tmpfiles
from tasks.machine.footprint import Footprint
from tasks.machine.quoting import quoted
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import SurveyedMachine

PROGRAM = "/usr/lib/tandem/apply-bird"
CHECK = "/usr/sbin/bird -p -c {new}"
DROP_IN = "/etc/systemd/system/bird.service.d/tandem.conf"
DIRECTORIES = "/etc/tmpfiles.d/tandem-bird.conf"
HOME = "/var/lib/tandem/bird"
SERVICE = ManagedService(
    "bird",
    "/usr/sbin/bird",
    configuration="/etc/bird/bird.conf",
    staged=f"{HOME}/bird.conf",
    modes="640 root:bird",
    open_change=(
        *(f"{HOME}/before.conf", f"{HOME}/sessions", f"{HOME}/tried", f"{HOME}/.before.conf.new"),
        *("/etc/bird/.bird.conf.new", "/etc/bird/.bird.conf.now"),
    ),
)
FOOTPRINT = Footprint(
    concern="bird",
    files=(PROGRAM, SERVICE.configuration, DROP_IN, DIRECTORIES, "/etc/bird/.bird.conf.now"),
    trees=("/run/bird",),
    directories=(DROP_IN.rpartition("/")[0], "/etc/bird", "/etc/keepalived"),
)


def configuration(node: Node, cluster: Cluster) -> str:
    """bird.conf, with the routers' passwords."""
    return rendering.render(
        "bird/bird.conf.j2",
        node=node,
        cluster=cluster,
        interfaces=", ".join(f'"{each.name}"' for each in node.interfaces),
        passwords=[router.password.get_secret_value() for router in node.routers],
    )


def files() -> tuple[str, ...]:
    """Paths of what makes BIRD's configuration, which go back with it."""
    return SERVICE.configuration, DROP_IN


def stage(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Install everything that BIRD reads, tested; its configuration beside its place."""
    what = "BIRD: what puts a configuration into service, or the old one back"
    one_file.file(what, PROGRAM, program_archive.archive("bird/apply-bird"), mode="755")
    tmpfiles.install(DIRECTORIES, rendering.read("bird/tmpfiles.conf"))
    one_file.file(
        "BIRD: bird.conf staged, and tested",
        SERVICE.staged,
        configuration(node, cluster),
        mode="640",
        check=CHECK,
        secret=True,
        told_as=SERVICE.configuration,
    )
    unit = rendering.render("bird/systemd-unit.conf.j2", realtime=machine.raises_limits)
    one_file.file("BIRD: what its unit does besides", DROP_IN, unit)


@change("BIRD runs what is staged")
def apply(node: Node, cluster: Cluster, addresses: Iterable[str] = ()) -> Iterator[str]:
    """Have BIRD run what is staged; if it cannot, or sessions that were there do not come back, it
    runs as before and the run fails. (It is given what keepalived is: the file says all.)"""
    todo, reason = service_state.due_steps(SERVICE)
    if not todo:
        return
    verb = todo[-1] if reason and todo[-1] in ("start", "restart") else "reload"
    run_changes.note_service("bird", verb, reason or "its unit has not been read")
    # A fresh one announces nothing; whoever has sessions keeps those that the change leaves alone.
    yield quoted(PROGRAM, verb)
