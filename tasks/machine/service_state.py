"""Bring what runs in step with what is installed: start, restart or reload, whichever it takes.

For nginx tasks/nginx/service.py does it, and tasks/keepalived/configuration.py for keepalived.

What has to happen is read off the machine each time, never remembered from what this run changed,
so that a run that died half way is finished by the next.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts, rendering
from tasks.machine import one_file
from tasks.machine.survey import shell

BINARIES = {
    "keepalived": "/usr/sbin/keepalived",
    "tandem-watch": "/usr/bin/python3",
    "tandem-handover": "/usr/bin/python3",
    "tandem-metrics": "/usr/bin/python3",
    "prometheus-nginx-exporter": "/usr/bin/prometheus-nginx-exporter",
}
# Configuration that is not in its place before a machine's turn, and that place.
STAGED = {"keepalived": "/var/lib/tandem/keepalived/keepalived.conf"}
PLACES = {"keepalived": "/etc/keepalived/keepalived.conf"}
RUNNING_STATE = "/usr/lib/tandem/running-state"
# Asks and tells whatever manages services on a machine; its verbs are systemctl's.
MANAGER = "/usr/lib/tandem/service"


@dataclass(frozen=True)
class Service:
    """One service as its init system and the kernel see it."""

    loaded: bool
    active: bool
    enabled: bool
    needs_daemon_reload: bool
    runs_installed_binary: bool
    unit_same: bool
    configuration_same: bool


class RunningService(FactBase[Service]):
    """What `Service` holds, in one round trip."""

    @staticmethod
    def default() -> Service:
        return Service(False, False, False, False, False, False, False)

    def command(self, service: str) -> str:
        staged = f"cmp -s {STAGED[service]} {PLACES[service]}" if service in STAGED else "true"
        return (
            f"{staged} || echo Staged=different; "
            f'said=$({MANAGER} show {service}); echo "$said"; '
            # One question of it and not two: it takes longer than all else here.
            "pid=${said##*MainPID=}; "
            "echo Running=$(readlink /proc/${pid%%[!0-9]*}/exe); "
            f"echo Installed=$(readlink -f {BINARIES[service]}); "
            f"{RUNNING_STATE} compare {service} 2>/dev/null || true"
        )

    def process(self, output: list[str]) -> Service:
        said = dict(line.split("=", 1) for line in output if "=" in line)
        return Service(
            loaded=said.get("LoadState") == "loaded",
            active=said.get("ActiveState") in ("active", "reloading"),
            enabled=said.get("UnitFileState") == "enabled",
            needs_daemon_reload=said.get("NeedDaemonReload") == "yes",
            runs_installed_binary=bool(said.get("Running"))
            and said.get("Running") == said.get("Installed"),
            unit_same=said.get("Unit") == "same",
            configuration_same=said.get("Configuration") == "same" and "Staged" not in said,
        )


def steps(service: Service) -> tuple[list[str], str]:
    """What the manager of services has to do for `service`, and why: ([] and "") if nothing.

    A restart interrupts, so it is only for what a reload cannot change: the binary and the unit.
    """
    todo: list[str] = []
    if not service.loaded or service.needs_daemon_reload:
        todo.append("daemon-reload")
    if not service.enabled:
        todo.append("enable")
    if not service.active:
        return [*todo, "reset-failed", "start"], "it is not running"
    if not service.runs_installed_binary:
        return [*todo, "restart"], "it runs another binary than the installed one"
    if not service.unit_same:
        return [*todo, "restart"], "its unit has changed since it was started"
    if not service.configuration_same:
        return [*todo, "reload"], "its configuration has changed since it was read"
    return todo, "it is not enabled at boot" if todo else ""


def steps_of(service: str) -> tuple[list[str], str]:
    """`steps` for what this machine says of `service`."""
    return steps(batched_facts.rolling.get(RunningService, service=service))


def restarts(service: str) -> bool:
    """Whether this machine's turn interrupts `service`."""
    todo, reason = steps_of(service)
    return bool(reason) and todo[-1] == "restart"


def tools() -> None:
    """Install what manages services, and what tells whether one runs what lies on the disk."""
    one_file.file(
        name="Services: what starts and stops them, whatever this machine's init",
        path=MANAGER,
        content=rendering.read("machine/service"),
        mode="755",
    )
    one_file.file(
        name="Services: what tells whether they run what is installed",
        path=RUNNING_STATE,
        content=rendering.read("machine/running-state"),
        mode="755",
    )


@operation()
def in_step(service: str, healthy: str) -> Generator[StringCommand, None, None]:
    """Make the running `service` be the installed one; then wait until it is healthy.

    + healthy: a shell command that succeeds once the service does its work; tried for 15 s.
    """
    todo, reason = steps_of(service)
    if not todo:
        host.noop(f"{service} runs what is installed")
        return
    batched_facts.invalidate()
    if reason:
        host.log(f"{service}: {todo[-1]}, because {reason}")
    trouble = f"{{ {MANAGER} log {service} >&2; exit 1; }}"
    for verb in todo:
        words = ("daemon-reload",) if verb == "daemon-reload" else (verb, service)
        ignore = "2>/dev/null || true" if verb == "reset-failed" else f"|| {trouble}"
        yield StringCommand(shell(MANAGER, *words), ignore)
    yield StringCommand(
        f"for try in $(seq 75); do ( {healthy} ) >/dev/null 2>&1 && exit 0; sleep 0.2; done;",
        f"echo '{service} is not healthy 15 s after: {todo[-1]}' >&2;",
        trouble,
    )
