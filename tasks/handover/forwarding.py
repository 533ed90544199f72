"""tandem-handover keeps connections alive when the address moves. The classic profile has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any

from controller import program_archive, rendering, run_changes
from controller.batched_facts import change
from settings import Cluster, Node
from settings.node import BEAT_PORT
from settings.values import Interface
from tasks.keepalived import configuration
from tasks.machine import one_file, service_state, units
from tasks.machine.footprint import Footprint
from tasks.machine.quoting import placed, quoted
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import SurveyedMachine
from tasks.sysv import init_script

NAME = "tandem-handover"
SERVICE = ManagedService(NAME, "/usr/bin/python3")
PROGRAM = "/usr/lib/tandem/handover"
TABLES = "/etc/tandem/handover.nft"
SYSCTLS = "/etc/sysctl.d/61-tandem-handover.conf"
# Where the service writes down what the sysctls were before it set them.
SYSCTLS_BEFORE = f"/var/lib/{NAME}/sysctls-before"
FOOTPRINT = Footprint(
    concern="the hand-over",
    units=(NAME,),
    # One table for each address that moves: tandem_handover, tandem_handover_2, …
    tables=("tandem_handover*",),
    files=(PROGRAM, TABLES, SYSCTLS, f"/run/{NAME}.*"),
    trees=(f"/run/{NAME}", f"/var/lib/{NAME}"),
    passing=(f"/var/lib/{NAME}/*.new",),
)
# Succeeds once the next move of the address may come.
READY = f"{service_state.MANAGER} is-active -q {NAME}"

# How long it holds that a node has announced that it has the address.
BEAT_MS = 600
# RFC 2474 keeps the values of DSCP that end in 11 (binary) for local and experimental use.
HOPS = tuple(range(63, 0, -4))


def hops(cluster: Cluster) -> tuple[int, ...]:
    """Values of DSCP that mark a segment as forwarded once, twice, …, as often as it may be."""
    return HOPS[: len(cluster.nodes) - 1]


ERRORS = {
    4: "icmp type destination-unreachable",
    6: "icmpv6 type { destination-unreachable, packet-too-big }",
}


def tables(node: Node, cluster: Cluster) -> list[dict[str, Any]]:
    """The values of each table of nftables: one for each address that moves, of either family."""
    here = cluster.nodes.index(node)
    order = [*cluster.nodes[here + 1 :], *cluster.nodes[:here]]
    return [
        {
            "name": f"tandem_handover_{vrrp.place + 1}" if vrrp.place else "tandem_handover",
            "family": "ip" if vip.version == 4 else "ip6",
            "vip": vip.ip,
            "interface": vrrp.view_of(node).interface,
            "port": BEAT_PORT + vrrp.place,
            "errors": ERRORS[vip.version],
            "peers": [
                {
                    "name": peer.name,
                    "address": _own(vrrp.view_of(peer), vip),
                    "place": cluster.nodes.index(peer) + 1,
                }
                for peer in order
            ],
        }
        for vrrp, vip in _moving(cluster)
    ]


def _moving(cluster: Cluster) -> Iterator[tuple[Cluster, Interface]]:
    """The addresses that move, each after the VIP whose election it follows."""
    for vrrp in cluster.vips:
        yield vrrp, vrrp.vip
        if vrrp.vip6:
            yield vrrp, vrrp.vip6


def _own(view: Node, vip: Interface) -> object:
    """The node's own address where it has that VIP."""
    return view.interfaces[0].own(vip.version)


def rules(node: Node, cluster: Cluster) -> str:
    """The file that nft loads."""
    if not node.handover:
        return "# Hand-over is switched off (handover = False): no table.\n"
    return rendering.render(
        "handover/tables.nft.j2",
        node=node,
        tables=tables(node, cluster),
        hops=hops(cluster),
        beat_ms=BEAT_MS,
    )


def command(node: Node, cluster: Cluster) -> str:
    """The program as the unit runs it, in one line: `remove` reads it there."""
    window = node.handover_window_s if node.handover else 0
    words: list[object] = ["/usr/bin/python3", PROGRAM]
    words += [word for each in node.interfaces for word in ("--interface", each.name)]
    words += ["--window", window, "--speakers", configuration.SPEAKERS]
    words += ["--table", TABLES] if node.handover else []
    beats: dict[tuple[bool, str, int], dict[tuple[str, str], None]] = {}
    for vrrp, vip in _moving(cluster):
        view = vrrp.view_of(node)
        given = partial(placed, interface=view.interface, usual=node.interface)
        words += ["--vip", given(vip.ip), "--port", BEAT_PORT + vrrp.place]
        place = (view.interface != node.interface, view.interface, int(vip.version))
        options = beats.setdefault(place, {("--own", given(_own(view, vip))): None})
        for peer in cluster.peers(node):
            options["--other", given(_own(vrrp.view_of(peer), vip))] = None
    for place in sorted(beats):
        words += chain.from_iterable(beats[place])
    return quoted(*words)


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
    program = program_archive.archive("handover/handover")
    one_file.file("Hand-over: the program", PROGRAM, program, mode="755")
    what, check = "Hand-over: nftables, tested before they are moved in", "nft --check --file {new}"
    one_file.file(what, TABLES, rules(node, cluster), check=check)
    sysctls = rendering.render("handover/sysctl.conf.j2", node=node)
    check = save_sysctls(each.name for each in node.interfaces)
    check = check.replace("{", "{{").replace("}", "}}")
    one_file.file("Hand-over: sysctls", SYSCTLS, sysctls, check=check)
    unit = unit_file(command(node, cluster), machine)
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
        yield f"rm -rf {PROGRAM} {TABLES} {SYSCTLS} /var/lib/{NAME} && rm -f {unit}"
