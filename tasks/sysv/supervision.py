"""Keeps services alive where PID 1 is not systemd, by a small program that init respawns."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts, program_archive, rendering
from settings import Cluster, Node
from tasks.machine import one_file
from tasks.machine.footprint import Footprint
from tasks.machine.survey import SurveyedMachine

PROGRAM = "/usr/lib/tandem/supervise"
TABLE = "/etc/tandem/services"
INITTAB = "/etc/inittab"
LINE = f"tan:2345:respawn:{PROGRAM}"
LOGROTATE = "/etc/logrotate.d/tandem"
FOOTPRINT = Footprint(
    concern="the supervision",
    files=(PROGRAM, TABLE, LOGROTATE),
    trees=("/var/log/tandem",),
)


class RespawnedByInit(FactBase[bool]):
    """Whether init keeps the supervisor running."""

    default = bool

    def command(self) -> str:
        return f"grep -x '{LINE}' {INITTAB} || true"

    def process(self, output: list[str]) -> bool:
        return bool(output)


def configure(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Where there is no systemd: keep services alive, and their logs rotated."""
    if machine.systemd:
        return
    one_file.file(
        name="Supervision: what it keeps alive",
        path=TABLE,
        content=rendering.render("sysv/services.j2", node=node, addresses=cluster.addresses),
    )
    # It ends when this or the table changes, and init starts it anew.
    one_file.file(
        name="Supervision: the program",
        path=PROGRAM,
        content=program_archive.archive("sysv/supervise"),
        mode="755",
    )
    one_file.file(
        name="Supervision: its log is rotated",
        path=LOGROTATE,
        content=rendering.read("sysv/logrotate"),
        check="logrotate --debug {new}",
    )
    batched_facts.parallel.request(RespawnedByInit)
    respawn(name="Supervision: init starts it, and again when it ends")


@operation()
def respawn() -> Generator[StringCommand, None, None]:
    """Add its line to inittab."""
    if batched_facts.parallel.get(RespawnedByInit):
        host.noop("init keeps it running")
        return
    batched_facts.invalidate()
    yield StringCommand(
        f"[ -f {INITTAB} ] || {{ echo 'there is no {INITTAB}: nothing here would keep services "
        "alive' >&2; exit 1; }"
    )
    # Whole or not at all: a machine without an inittab does not boot.
    new = f"{INITTAB}.tandem"
    yield StringCommand(
        f"{{ grep -v '^tan:' {INITTAB}; echo '{LINE}'; }} >{new} && mv -fT {new} {INITTAB} && "
        "telinit q"
    )


@operation()
def remove(machine: SurveyedMachine) -> Generator[StringCommand, None, None]:
    """End the supervision, so that nothing is started again that is about to be stopped."""
    if machine.systemd or not batched_facts.rolling.get(RespawnedByInit):
        host.noop("init keeps nothing of ours running")
        return
    batched_facts.invalidate()
    new = f"{INITTAB}.tandem"
    yield StringCommand(f"cp -p {INITTAB} {new} && grep -v '^tan:' {INITTAB} >{new}")
    yield StringCommand(f"mv -fT {new} {INITTAB} && telinit q")
    # It ends by itself, too, when its table is gone.
    yield StringCommand(
        f"rm -f {TABLE}; for try in $(seq 50); do "
        f"pgrep -f '^[^ ]*python[^ ]* {PROGRAM}' >/dev/null || exit 0; sleep 0.1; done; "
        f"pkill -KILL -f '^[^ ]*python[^ ]* {PROGRAM}' || true"
    )
