"""What keeps services alive where PID 1 is not systemd: a small program that init respawns."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts, program_archive, rendering
from settings import Cluster, Node
from tasks.machine import one_file
from tasks.machine.survey import Machine

PROGRAM = "/usr/lib/tandem/supervise"
TABLE = "/etc/tandem/services"
INITTAB = "/etc/inittab"
LINE = f"tan:2345:respawn:{PROGRAM}"


class Respawned(FactBase[bool]):
    """Whether init keeps the supervisor running."""

    default = bool

    def command(self) -> str:
        return f"grep -x '{LINE}' {INITTAB} || true"

    def process(self, output: list[str]) -> bool:
        return bool(output)


def configure(node: Node, cluster: Cluster, machine: Machine) -> None:
    """Have what does for init scripts what systemd does by itself."""
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
        path="/etc/logrotate.d/tandem",
        content=rendering.read("sysv/logrotate"),
        check="logrotate --debug {new}",
    )
    batched_facts.staging.ahead(Respawned)
    respawned(name="Supervision: init starts it, and again when it ends")


@operation()
def respawned() -> Generator[StringCommand, None, None]:
    """Have its line in inittab."""
    if batched_facts.staging.answer(Respawned):
        host.noop("init keeps it running")
        return
    batched_facts.changed()
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
def ended(machine: Machine) -> Generator[StringCommand, None, None]:
    """Have init forget it, and nothing started again that is about to be stopped."""
    if machine.systemd or not batched_facts.turns.answer(Respawned):
        host.noop("init keeps nothing of ours running")
        return
    batched_facts.changed()
    new = f"{INITTAB}.tandem"
    yield StringCommand(f"cp -p {INITTAB} {new} && grep -v '^tan:' {INITTAB} >{new}")
    yield StringCommand(f"mv -fT {new} {INITTAB} && telinit q")
    # It ends by itself, too, when its table is gone.
    yield StringCommand(
        f"rm -f {TABLE}; for try in $(seq 50); do "
        f"pgrep -f '^[^ ]*python[^ ]* {PROGRAM}' >/dev/null || exit 0; sleep 0.1; done; "
        f"pkill -KILL -f '^[^ ]*python[^ ]* {PROGRAM}' || true"
    )
