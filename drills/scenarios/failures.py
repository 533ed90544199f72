"""The scenarios of faults: what each does to a cluster, step by step.

A scenario breaks something and watches until it is clear what came of it. What it leaves broken the
runner undoes, with the prober still running: the way back must cost nothing either.
"""

from __future__ import annotations

from drills.control import fault_signs, faults
from drills.control.cluster_control import ClusterControl
from drills.control.faults import Fault
from drills.scenarios.scenario import Steps

# How long a fault lasts that is not over when the address has moved.
LOSSY_S = 6.0
STARVED_S = 3
# So long before its end.
LOOKED_AT_S = 0.8
ROGUE_S = 3
POWERLESS_S = 0.5
DROPPED = "adverts dropped"


def on_holder(fault: Fault) -> Steps:
    def steps(control: ClusterControl) -> None:
        control.inject(fault, control.holder)
        control.watch()

    return steps


def way_back(what: str) -> Steps:
    """Undo everything, on all nodes at the same moment. Recovery is counted from then on."""

    def steps(control: ClusterControl) -> None:
        control.reference()
        control.mark(what)
        control.heal()
        control.watch()

    return steps


def backup_crash(control: ClusterControl) -> None:
    control.inject(faults.NGINX_KILLED, control.standby)
    control.inject(faults.KEEPALIVED_KILLED, control.standby)
    control.watch()


def link_cut(control: ClusterControl) -> None:
    control.unplug(control.holder)
    control.look_at_cable(control.holder)
    control.watch()


def link_is_cut(control: ClusterControl) -> None:
    control.unplug(control.holder)
    control.look_at_cable(control.holder)
    control.wait_holder(control.standby)


def power_off(control: ClusterControl) -> None:
    control.power_off(control.holder)
    control.watch()


def power_is_off(control: ClusterControl) -> None:
    control.power_off(control.holder)
    control.wait_holder(control.standby)


def both_off_on(control: ClusterControl) -> None:
    control.power_off(*control.cluster.nodes)
    control.wait(POWERLESS_S)
    way_back("power back")(control)


def reboot(control: ClusterControl) -> None:
    control.reboot(control.holder)
    control.watch()


def partition(control: ClusterControl) -> None:
    """No node hears another: each takes the address. Then all hear each other again."""
    fault = faults.adverts_dropped("VRRP filtered", output=True)
    control.drop_adverts(fault, *control.cluster.nodes)
    control.wait(control.timing.dead_s + 0.5)
    way_back("healed")(control)


def one_way_loss(control: ClusterControl) -> None:
    """The standbys do not hear the holder, which hears them."""
    fault = faults.adverts_dropped("adverts lost one way")
    control.drop_adverts(fault, *control.cluster.nodes[1:])
    control.watch()
    control.count_adverts(DROPPED, *control.cluster.nodes[1:])
    control.mark("healed")
    control.heal()
    control.wait(0.5)


def lossy_network(control: ClusterControl) -> None:
    fault = faults.adverts_dropped("30 % of adverts lost", percent=30)
    control.drop_adverts(fault, *control.cluster.nodes[1:])
    # Also where adverts are rare some of them are lost.
    control.wait(max(LOSSY_S, 12 * control.timing.advert_s))
    control.count_adverts(DROPPED, *control.cluster.nodes[1:])


def rogue(control: ClusterControl) -> None:
    nodes = control.cluster.nodes
    known = [node.speaks_from for node in nodes if node.speaks_from]
    control.drop_adverts(faults.strangers_counted(known), *nodes)
    control.rogue(max(ROGUE_S, 5 * control.timing.advert_s))
    control.count_adverts("adverts of the stranger", *nodes)
    control.wait(0.5)


def cpu_starved(control: ClusterControl) -> None:
    control.inject(faults.cpu_starved(STARVED_S), control.holder)
    control.wait(STARVED_S - LOOKED_AT_S)
    control.look(control.holder, fault_signs.busy(faults.HOGS))
    control.wait(LOOKED_AT_S + 0.2)


def all_nginx_dead(control: ClusterControl) -> None:
    """nginx dies everywhere and stays dead; then one standby has it back, later all nodes."""
    control.inject(faults.NGINX_KEPT_DOWN, *control.cluster.nodes)
    control.wait(control.timing.dead_s + 1.0)
    control.reference()
    control.mark(f"nginx back on {control.standby.name}")
    control.heal(faults.NGINX_KEPT_DOWN, control.standby)
    control.watch()
