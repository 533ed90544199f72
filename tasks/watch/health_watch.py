"""tandem-watch tells keepalived whether this node's nginx serves. The classic profile has none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import ceil

from controller import program_archive, rendering, run_changes
from controller.batched_facts import change
from settings import Cluster, Node
from tasks.machine import one_file, service_state, tmpfiles, units
from tasks.machine.footprint import Footprint
from tasks.machine.quoting import placed
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import SurveyedMachine
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
LONGEST_GRACE_S = 0.1
# Succeeds once this node may hold the VIP: the next machine's turn must not begin before.
NGINX_TRUSTED = (
    f"{{ ! {service_state.MANAGER} is-active -q {NAME} || grep -qx 0 /run/tandem/failed; }}"
)


def unit_file(node: Node, cluster: Cluster, machine: SurveyedMachine) -> str:
    """Its unit, or init script."""
    values = {
        "node": node,
        "cluster": cluster,
        "premises": _premises(node, cluster),
        "grace_s": grace_s(node),
        "watchdog_s": watchdog_s(node, cluster),
    }
    if machine.systemd:
        return rendering.render("watch/tandem-watch.service.j2", **values)
    command = rendering.render("watch/watch-command.j2", **values)
    what = "watches nginx and keepalived for Tandem"
    return init_script.daemon(NAME, what, command.replace("\\\n", " "), directories=DIRECTORIES)


def _premises(node: Node, cluster: Cluster) -> list[str]:
    """The options that tell the watch what the node needs: where its VIPs are, and where it speaks
    VRRP, its own address and those of the others, each once. A routed one needs its routers."""
    if node.routed:
        routers = (f"--peer {router.address}" for router in node.routers_of(node.vip.version))
        return [f"--own {node.own}", *routers]
    own: dict[str, None] = {}
    others: dict[str, None] = {}
    for vrrp in cluster.vips:
        mine, peers = vrrp.view_of(node), vrrp.peers(node)
        there = partial(placed, interface=mine.interface, usual=node.interface)
        spoken = partial(placed, interface=mine.vrrp.name, usual=node.interface)
        own |= dict.fromkeys((there(mine.own), spoken(mine.speaks_from)))
        for peer in peers:
            others |= dict.fromkeys((there(peer.own), spoken(peer.speaks_from)))
    words = [f"--own {each}" for each in own]
    return words + [f"--peer {each}" for each in others]


def grace_s(node: Node) -> float:
    """For how long a node's own address may be away: as a lease is renewed, and well before the
    node would take its deafness for the holder's death."""
    return min(LONGEST_GRACE_S, round(node.advert_s * node.silence_adverts / 3, 3))


def watchdog_s(node: Node, cluster: Cluster) -> int:
    """How long the watch may say nothing before systemd ends it: well above its longest round, in
    which it asks its own nginx, each other node's, and the VIP."""
    round_s = node.health_interval_s + node.health_timeout_s * (len(cluster.nodes) + 1)
    return 10 + ceil(round_s)


def configure(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Install the watch; in the classic profile, remove it."""
    if node.classic:
        one_file.ask_ahead(units.path(NAME, machine))
        remove(name="Watch: not in the classic profile", machine=machine)
        return
    program = program_archive.archive("watch/watch")
    one_file.file("Watch: the program", PROGRAM, program, mode="755")
    tmpfiles.install(DIRECTORIES, rendering.read("watch/tmpfiles.conf"))
    units.install("Watch: its unit", NAME, machine, unit_file(node, cluster, machine))


@change("it is not installed")
def remove(machine: SurveyedMachine) -> Iterator[str]:
    """Stop and remove the watch. What it wrote last stays until keepalived's turn."""
    unit = units.path(NAME, machine)
    if one_file.state_of(unit):
        run_changes.note_service(NAME, "remove")
        yield f"{service_state.MANAGER} disable --now {NAME}"
        # The unit last: it is what tells the next run that there is something to take away.
        yield f"rm -f {PROGRAM} {DIRECTORIES} && rm -f {unit}"
