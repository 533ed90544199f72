"""The scenarios of routed clusters, step by step: each is done to the first of the nodes."""

from __future__ import annotations

from ipaddress import ip_network

from drills.control import long_lived_load
from drills.control.cluster_control import ClusterControl
from drills.control.faults import Fault
from drills.control.lab_injection import POWERLESS
from drills.control.routed import routed_faults
from drills.control.routed.routed_control import RoutedControl
from drills.control.routed.routed_faults import ENDED_TIMEOUT_S
from drills.scenarios import change_steps
from drills.scenarios.change_steps import AFTERWARDS_S, NGINX_CONF, VERSION
from drills.scenarios.scenario import Steps

DRAINED_S = 1.0
# What so many looks take, besides the pauses between them.
LOOKS_S = 60.0
BIRD_CONF = ("bird.conf", f"sha256sum <{routed_faults.BIRD_CONF} | cut -c -8")


def _routed(control: ClusterControl) -> RoutedControl:
    assert isinstance(control, RoutedControl)  # the runner has made one for this cluster
    return control


def passes_over(fault: Fault, lasts_s: float = 0.0) -> Steps:
    """Something by which a node is out: routers send nothing to it any more. It lasts for so long
    from then on, at the least."""

    def steps(control: ClusterControl) -> None:
        control.inject(fault, control.holder)
        _routed(control).passed_over(control.holder)
        control.wait(lasts_s)
        control.watch()

    return steps


def link_cut(control: ClusterControl) -> None:
    control.unplug(control.holder)
    _routed(control).passed_over(control.holder)
    control.look_at_cable(control.holder)
    control.watch()


def link_is_cut(control: ClusterControl) -> None:
    long_lived_load.make_file(control)
    control.unplug(control.holder)
    _routed(control).passed_over(control.holder)
    control.look_at_cable(control.holder)


def power_off(control: ClusterControl) -> None:
    control.power_off(control.holder)
    _routed(control).passed_over(control.holder)
    control.watch()


def router_restart(control: ClusterControl) -> None:
    _routed(control).restart_router()
    control.watch()


def drain(control: ClusterControl) -> None:
    """And back: with the prober and the load still there, as the runner undoes it."""
    control.inject(routed_faults.drained(control.holder), control.holder)
    _routed(control).passed_over(control.holder)
    control.watch()
    control.wait(DRAINED_S)


def leave(control: ClusterControl) -> None:
    """Drained, then nginx ended in order, which finishes what it has begun, then no power."""
    node = control.holder
    control.inject(routed_faults.drained(node), node)
    _routed(control).passed_over(node)
    control.inject(routed_faults.NGINX_ENDING, node)
    control.look(node, routed_faults.nginx_ended(node), ENDED_TIMEOUT_S + LOOKS_S)
    control.power_off(node)
    control.watch()


def has_left(control: ClusterControl) -> None:
    long_lived_load.make_file(control)
    control.power_off(control.holder)
    _routed(control).passed_over(control.holder)


def join(control: ClusterControl) -> None:
    """The machine boots, and takes part as soon as its nginx is trusted."""
    control.reference()
    control.mark("power back")
    control.heal(POWERLESS, control.holder)
    control.watch()


def rolling_deploy(control: ClusterControl) -> None:
    """nginx's build, unit and configuration, and BIRD's, all at once."""
    node, nodes = control.holder, control.cluster.nodes
    with (
        control.changing(*VERSION, *nodes),
        control.changing(*NGINX_CONF, *nodes),
        control.changing(*BIRD_CONF, *nodes),
    ):
        control.reference()
        control.change()
        changed = f"worker_connections={node.worker_connections // 2}"
        control.command("deploy.py", changed, f"bfd_misses={node.bfd_misses + 1}")
        control.wait(AFTERWARDS_S)
    change_steps.runs(control, node.nginx_version)


def rogue_announcement(control: ClusterControl) -> None:
    """A stranger in the machines' network calls every router and every machine by BGP."""
    routed = _routed(control)
    targets = [str(each.address) for each in control.holder.routers_of(4)]
    targets += [str(node.address) for node in control.cluster.nodes]
    routed.call_by_bgp(targets, stranger_address(routed))
    control.watch()


def stranger_address(control: RoutedControl) -> str:
    """An address of the machines' network that nobody has in the inventory."""
    node = control.holder
    prefix = control.lab.own_prefix(node.name)
    network = ip_network(f"{node.address}/{prefix}", strict=False)
    known = {str(each.address) for one in control.cluster.nodes for each in one.routers}
    known |= {str(one.address) for one in control.cluster.nodes}
    last = int(network.broadcast_address)
    for number in range(last - 1, int(network.network_address), -1):
        found = network[number - int(network.network_address)]
        if str(found) not in known:
            return f"{found}/{prefix}"
    raise AssertionError(f"{network} is full")
