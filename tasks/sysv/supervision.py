"""Keeps services alive where PID 1 is not systemd, by a small program that init respawns."""

from __future__ import annotations

from collections.abc import Iterator

from controller import program_archive, rendering
from controller.batched_facts import LinesFact, change, parallel, rolling
from settings import Cluster, Node
from tasks.machine import one_file
from tasks.machine.footprint import Footprint
from tasks.machine.survey import SurveyedMachine

PROGRAM = "/usr/lib/tandem/supervise"
TABLE = "/etc/tandem/services"
INITTAB = "/etc/inittab"
NEW = f"{INITTAB}.tandem"
LINE = f"tan:2345:respawn:{PROGRAM}"
PROCESS = f"^[^ ]*python[^ ]* {PROGRAM}"
LOGROTATE = "/etc/logrotate.d/tandem"
FOOTPRINT = Footprint(
    concern="the supervision",
    files=(PROGRAM, TABLE, LOGROTATE),
    trees=("/var/log/tandem",),
    passing=(NEW,),
)


class RespawnedByInit(LinesFact):
    """The line by which init keeps the supervisor running, if it has it; the supervisor's pid, if
    it runs."""

    def command(self) -> str:
        return f"grep -x '{LINE}' {INITTAB}; pgrep -o -f '{PROCESS}'; true"


def configure(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Where there is no systemd: keep services alive, and their logs rotated."""
    if machine.systemd:
        return
    services = rendering.render("sysv/services.j2", node=node, cluster=cluster)
    one_file.file("Supervision: what it keeps alive", TABLE, services)
    # It ends when this or the table changes, and init starts it anew.
    program = program_archive.archive("sysv/supervise")
    one_file.file("Supervision: the program", PROGRAM, program, mode="755")
    rotation, check = rendering.read("sysv/logrotate"), "logrotate --debug {new}"
    one_file.file("Supervision: its log is rotated", LOGROTATE, rotation, check=check)
    parallel.request(RespawnedByInit)
    respawn(name="Supervision: init starts it, and again when it ends")


@change("init keeps it running")
def respawn() -> Iterator[str]:
    """Add its line to inittab."""
    found = parallel.get(RespawnedByInit)
    if LINE in found:
        if len(found) == 1:  # a deploy was killed before init had read it
            yield "telinit q"
        return
    yield (
        f"[ -f {INITTAB} ] || {{ echo 'there is no {INITTAB}: nothing here would keep services "
        "alive' >&2; exit 1; }"
    )
    # Whole or not at all: a machine without an inittab does not boot.
    yield (
        f"sed '/^tan:/d' {INITTAB} >{NEW} && echo '{LINE}' >>{NEW} && sync {NEW} && "
        f"mv -fT {NEW} {INITTAB} && telinit q"
    )


@change("init keeps nothing of ours running")
def remove(machine: SurveyedMachine) -> Iterator[str]:
    """End the supervision, so that nothing is started again that is about to be stopped."""
    if machine.systemd or not rolling.get(RespawnedByInit):
        return
    yield f"cp -p {INITTAB} {NEW} && sed '/^tan:/d' {INITTAB} >{NEW} && sync {NEW}"
    yield f"mv -fT {NEW} {INITTAB} && telinit q"
    # It ends by itself, too, when its table is gone.
    yield (
        f"rm -f {TABLE}; for try in $(seq 50); do "
        f"pgrep --ns $$ -f '{PROCESS}' >/dev/null || exit 0; sleep 0.1; done; "
        f"pkill -KILL --ns $$ -f '{PROCESS}' || true"
    )
