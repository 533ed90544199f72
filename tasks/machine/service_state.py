"""Makes services run what is installed: by a start, a restart or a reload, whichever it takes.

For nginx tasks/nginx/service.py does it, and tasks/keepalived/configuration.py for keepalived.

What has to happen is read off the machine each time, never remembered from what this run changed,
so that a run that died half way is finished by the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pyinfra.api import FactBase

from controller import rendering, run_changes
from controller.batched_facts import LinesFact, change, rolling
from controller.output import unit_effects
from tasks.machine import one_file
from tasks.machine.quoting import quoted

RUNNING_STATE = "/usr/lib/tandem/running-state"
# A front end to whatever manages services on a machine; its verbs are systemctl's.
MANAGER = "/usr/lib/tandem/service"
# Who waits for connections goes on as soon as this is there (also apply-nginx's old_connections).
# Not in /run/tandem, which the classic profile has not.
SKIP_WAITING = "/run/tandem-skip-waiting"


@dataclass(frozen=True)
class ManagedService:
    """A service by its name, and the program that it runs.

    + staged: its new configuration, where that waits for the machine's turn beside `configuration`.
    + modes: the mode, owner and group that `configuration` has, as `stat -c '%a %U:%G'` says it.
    + open_change: patterns of what is there only while that is put into service.
    """

    name: str
    binary: str
    configuration: str = ""
    staged: str = ""
    modes: str = ""
    open_change: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceState:
    """One service as its init system and the kernel see it."""

    loaded: bool = False
    active: bool = False
    enabled: bool = False
    needs_daemon_reload: bool = False
    runs_installed_binary: bool = False
    unit_same: bool = False
    configuration_same: bool = False
    change_open: bool = False


class ServiceStateFact(FactBase[ServiceState]):
    """The `ServiceState` of a service, in one round trip."""

    default = ServiceState

    def command(self, service: ManagedService) -> str:
        name = service.name
        open_change = " ".join(service.open_change)
        same = f"cmp -s {service.staged} {service.configuration}" if service.staged else "true"
        modes = f"stat -c '%a %U:%G' {service.configuration} 2>/dev/null"
        readers = f'[ "$({modes})" = "{service.modes}" ]' if service.modes else "true"
        return (
            f"{same} || echo Staged=different; {readers} || echo Readers=different; "
            f'for it in {open_change}; do [ ! -e "$it" ] || echo Change=open; done; '
            f'said=$({MANAGER} show {name}); echo "$said"; '
            # One question of it and not two: it takes longer than all else here.
            "pid=${said##*MainPID=}; "
            "echo Running=$(readlink /proc/${pid%%[!0-9]*}/exe); "
            f"echo Installed=$(readlink -f {service.binary}); "
            f"{RUNNING_STATE} compare {name} 2>/dev/null || true"
        )

    def process(self, output: list[str]) -> ServiceState:
        said = dict(line.split("=", 1) for line in output if "=" in line)
        return ServiceState(
            loaded=said.get("LoadState") == "loaded",
            active=said.get("ActiveState") in ("active", "reloading"),
            enabled=said.get("UnitFileState") == "enabled",
            needs_daemon_reload=said.get("NeedDaemonReload") == "yes",
            runs_installed_binary=bool(said.get("Running"))
            and said.get("Running") == said.get("Installed"),
            unit_same=said.get("Unit") == "same",
            configuration_same=said.get("Configuration") == "same"
            and not said.keys() & {"Staged", "Readers"},
            change_open="Change" in said,
        )


def steps(state: ServiceState) -> tuple[list[str], str]:
    """What the manager of services has to do for a service, and why: ([] and "") if nothing.

    A restart interrupts, so it is only for what a reload cannot change: the binary and the unit.
    Before whatever starts it anew its unit is read: of the first drop-in of a unit that it knows
    already, systemd itself does not say that it has not read it.
    """
    # Enabling reads all units again, too.
    read = ["daemon-reload"] if state.enabled else ["enable"]
    if not state.active:
        return [*read, "reset-failed", "start"], "it is not running"
    if not state.runs_installed_binary:
        return [*read, "restart"], "it runs another binary than the installed one"
    if not state.unit_same:
        return [*read, "restart"], "its unit has changed since it was started"
    unread = not state.loaded or state.needs_daemon_reload
    todo = read if unread or not state.enabled else []
    if not state.configuration_same:
        return [*todo, "reload"], "its configuration has changed since it was read"
    if state.change_open:
        return [*todo, "reload"], "a change of its configuration was cut off"
    return todo, "it is not enabled at boot" if todo else ""


def due_steps(service: ManagedService) -> tuple[list[str], str]:
    """`steps` for the state of `service` on this machine; while a run is prepared, for the state
    that it will have when it is this machine's turn."""
    state = rolling.get(ServiceStateFact, service=service)
    if not run_changes.is_planning():
        return steps(state)
    plan = run_changes.this_plan()
    texts = plan.texts
    units = [path for path in texts if unit_effects.is_unit(service.name, path)]
    before = {path: one_file.text_of(path) for path in units}
    effect = unit_effects.effect(service.name, service.staged, before, texts)
    return steps(
        replace(
            state,
            unit_same=state.unit_same and not effect.restarts,
            needs_daemon_reload=(state.needs_daemon_reload or effect.is_read)
            and not plan.units_read,
            configuration_same=state.configuration_same and not effect.reloads,
        )
    )


def will_restart(service: ManagedService) -> bool:
    """Whether this machine's turn interrupts `service`."""
    todo, reason = due_steps(service)
    return bool(reason) and todo[-1] == "restart"


def install_tools() -> None:
    """Install what manages services, and what compares a running one with what is installed."""
    what = "Services: what starts and stops them, whatever this machine's init"
    one_file.file(what, MANAGER, rendering.read("machine/service"), mode="755")
    what = "Services: what tells whether they run what is installed"
    one_file.file(what, RUNNING_STATE, rendering.read("machine/running-state"), mode="755")


@change("{service.name} runs what is installed")
def run_installed(
    service: ManagedService, healthy: str, starts_with_package: bool = False
) -> Iterator[str]:
    """Make the running `service` be the installed one; then wait until it is healthy.

    + healthy: a shell command that succeeds once the service does its work; tried for 15 s.
    + starts_with_package: this run has installed its package, which starts it by itself, unless the
      machine keeps packages from that: a start all the same.
    """
    todo, reason = due_steps(service)
    if not todo:
        if starts_with_package:
            run_changes.note_service(service.name, "start", "it is not running")
        return
    name = service.name
    run_changes.note_service(name, todo[-1], reason)
    run_changes.this_plan().units_read |= {"daemon-reload", "enable"}.intersection(todo) != set()
    trouble = f"{{ {MANAGER} log {name} >&2; exit 1; }}"
    for verb in todo:
        words = ("daemon-reload",) if verb == "daemon-reload" else (verb, name)
        ignore = "2>/dev/null || true" if verb == "reset-failed" else f"|| {trouble}"
        yield f"{quoted(MANAGER, *words)} {ignore}"
    yield (
        f"for try in $(seq 75); do ( {healthy} ) >/dev/null 2>&1 && exit 0; sleep 0.2; done; "
        f"echo '{name} is not healthy 15 s after: {todo[-1]}' >&2; {trouble}"
    )


# --- taking it away ------------------------------------------------------------------------------


class RunsOrWould(LinesFact):
    """A line if a service runs, or would at the next boot."""

    def command(self, service: ManagedService) -> str:
        return (
            f"if [ -x {MANAGER} ]; then {{ {MANAGER} is-active --quiet {service.name} || "
            f"{MANAGER} is-enabled --quiet {service.name}; }} 2>/dev/null && echo yes; fi; true"
        )


@change("{service.name} does not run")
def stop(service: ManagedService, *, for_connections: bool = False) -> Iterator[str]:
    """Stop a service, and keep it from the next boot.

    + for_connections: its end waits for those that it has.
    """
    if rolling.get(RunsOrWould, service=service):
        run_changes.note_service(service.name, "stop")
        stop_it = f"{MANAGER} disable --now {service.name}"
        yield _waiting_aloud(stop_it, service.name) if for_connections else stop_it


def _waiting_aloud(stop_it: str, name: str) -> str:
    """`stop_it`, whose exit status it has, and which says after 1.5 s and then every five how many
    connections it waits for."""
    states = "state established state close-wait state fin-wait-1"
    count = f"$(ss -Htnp {states} | grep -c '\"{name}\"')"
    cut = f"kill -TERM $({MANAGER} show {name} | sed -n s/^MainPID=//p)"
    return (
        f"{stop_it} & job=$!; rm -f {SKIP_WAITING}; n=0; "
        "while kill -0 $job 2>/dev/null; do sleep 0.1; n=$((n + 1)); "
        f"if [ -e {SKIP_WAITING} ]; then rm -f {SKIP_WAITING}; {cut}; fi; "
        # The controller shows such a line at once (controller/ssh/machine_connector.py).
        f'[ $((n % 50)) -ne 15 ] || echo "waiting: {count} connections of {name}, which ends. '
        f'To cut them, on this machine: touch {SKIP_WAITING}" >&2; done; wait $job'
    )
