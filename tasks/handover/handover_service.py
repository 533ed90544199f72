"""tandem-handover keeps connections alive when the address moves, or when routers spread them anew.

The classic profile has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller import program_archive, rendering, run_changes
from controller.batched_facts import change
from settings import Cluster, Node
from tasks.handover import forwarding, second_chance
from tasks.handover.forwarding import PROGRAM, TABLES
from tasks.machine import one_file, service_state, units
from tasks.machine.footprint import Footprint
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import SurveyedMachine
from tasks.sysv import init_script

NAME = "tandem-handover"
SERVICE = ManagedService(NAME, "/usr/bin/python3")
SYSCTLS = "/etc/sysctl.d/61-tandem-handover.conf"
# Where the service writes down what the sysctls were before it set them.
SYSCTLS_BEFORE = f"/var/lib/{NAME}/sysctls-before"
FOOTPRINT = Footprint(
    concern="the hand-over",
    units=(NAME,),
    # One table for each address that moves (tandem_handover, tandem_handover_2, …), or for each
    # family of the address that all nodes have.
    tables=("tandem_handover*", "tandem_clients"),
    files=(PROGRAM, TABLES, second_chance.CLIENTS, SYSCTLS, f"/run/{NAME}.*"),
    trees=(f"/run/{NAME}", f"/var/lib/{NAME}"),
    passing=(f"/var/lib/{NAME}/*.new",),
)
# Succeeds once the next move of the address may come.
READY = f"{service_state.MANAGER} is-active -q {NAME}"


def unit_file(command: str, machine: SurveyedMachine) -> str:
    """The unit, or init script, that runs `command`."""
    if machine.systemd:
        return rendering.render("handover/tandem-handover.service.j2", command=command)
    return init_script.daemon(NAME, "hands connections over for Tandem", command)


def save_sysctls(interfaces: Iterable[str]) -> str:
    """Shell: write down what the sysctls are before `SYSCTLS` sets them, as the service does.

    A machine that loses its power before the service has started once boots with those of the file,
    and the service would take them for the machine's own.
    """
    each = (_save_sysctls(*numbered) for numbered in enumerate(interfaces))
    return " && ".join(f"{{ {shell}; }}" for shell in each)


def _save_sysctls(number: int, interface: str) -> str:
    name = interface.replace(".", "[.]")
    # (An earlier version has written down those of one interface, without its name.)
    saved = f"-e '^{name}/'" if number else f"-e '^{name}/' -e '^arp_ignore '"
    return (
        f"grep -qs '/{name}/arp_ignore' {SYSCTLS} || grep -qs {saved} {SYSCTLS_BEFORE} || "
        f"( umask 022; mkdir -p /var/lib/{NAME} && cd /proc/sys/net/ipv4/conf/{interface} && "
        f"{{ cat {SYSCTLS_BEFORE} 2>/dev/null; for name in arp_ignore arp_announce; do "
        f'echo "{interface}/$name $(cat $name)"; done; }} >{SYSCTLS_BEFORE}.new && '
        f"mv -fT {SYSCTLS_BEFORE}.new {SYSCTLS_BEFORE} )"
    )


def configure(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Install the hand-over; in the classic profile, remove it."""
    if node.classic:
        one_file.ask_ahead(units.path(NAME, machine))
        remove(name="Hand-over: not in the classic profile", machine=machine)
        return
    ours = second_chance if node.routed else forwarding
    program = program_archive.archive("handover/handover")
    one_file.file("Hand-over: the program", PROGRAM, program, mode="755")
    what = "Hand-over: nftables, tested before they are moved in"
    one_file.file(what, TABLES, ours.rules(node, cluster), check=ours.CHECK)
    if node.routed:
        what = "Hand-over: nftables, how often a client may connect"
        rules = second_chance.client_rules(node, cluster)
        one_file.file(what, second_chance.CLIENTS, rules, check=second_chance.CLIENTS_CHECK)
    sysctls = rendering.render("handover/sysctl.conf.j2", node=node)
    check = save_sysctls(each.name for each in node.interfaces)
    check = check.replace("{", "{{").replace("}", "}}")
    one_file.file("Hand-over: sysctls", SYSCTLS, sysctls, check=check)
    unit = unit_file(ours.command(node, cluster), machine)
    units.install("Hand-over: its unit", NAME, machine, unit)


@change("it is not installed")
def remove(machine: SurveyedMachine) -> Iterator[str]:
    """Remove it, and what it did to this machine: `lo`, nftables and sysctls are as before."""
    unit = units.path(NAME, machine)
    if one_file.state_of(unit):
        run_changes.note_service(NAME, "remove")
        yield f"{service_state.MANAGER} disable --now {NAME}"
        run = f"""$(sed -nE 's/^(ExecStart=|command=)"?([^"]*)"?$/\\2/p' {unit})"""
        # The unit last: it is what tells the next run that there is something to take away.
        yield f"[ ! -e {PROGRAM} ] || {run} --remove"
        own = f"{PROGRAM} {TABLES} {second_chance.CLIENTS} {SYSCTLS}"
        yield f"rm -rf {own} /var/lib/{NAME} && rm -f {unit}"
