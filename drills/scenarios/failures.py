"""What each drill does to a cluster, step by step, in terms of a `Stage`.

A play breaks something and watches until it is clear what came of it. What it leaves broken the
runner puts back, with the prober still running: the way back must cost nothing either.
"""

from __future__ import annotations

from collections.abc import Callable

from drills.control import faults
from drills.control.cluster_control import Stage
from drills.control.faults import Fault

Play = Callable[[Stage], None]

# How long a fault lasts that is not over when the address has moved.
LOSSY_S = 6.0
STARVED_S = 3
ROGUE_S = 3
POWERLESS_S = 0.5


def on_holder(fault: Fault) -> Play:
    def play(stage: Stage) -> None:
        stage.inject(fault, stage.holder)
        stage.watch()

    return play


def backup_crash(stage: Stage) -> None:
    stage.inject(faults.NGINX_KILLED, stage.standby)
    stage.inject(faults.KEEPALIVED_KILLED, stage.standby)
    stage.watch()


def link_cut(stage: Stage) -> None:
    stage.unplug(stage.holder)
    stage.watch()


def link_is_cut(stage: Stage) -> None:
    stage.unplug(stage.holder)
    stage.wait_holder(stage.standby)


def link_back(stage: Stage) -> None:
    stage.reference()
    stage.mark("cable back")
    stage.heal()
    stage.watch()


def power_off(stage: Stage) -> None:
    stage.power_off(stage.holder)
    stage.watch()


def power_is_off(stage: Stage) -> None:
    stage.power_off(stage.holder)
    stage.wait_holder(stage.standby)


def power_on(stage: Stage) -> None:
    stage.reference()
    stage.mark("power back")
    stage.power_on(stage.holder)
    stage.watch()


def both_off_on(stage: Stage) -> None:
    nodes = stage.cluster.nodes
    stage.power_off(*nodes)
    stage.wait(POWERLESS_S)
    stage.reference()
    stage.mark("power back")
    stage.power_on(*nodes)
    stage.watch()


def reboot(stage: Stage) -> None:
    stage.reboot(stage.holder)
    stage.watch()


def partition(stage: Stage) -> None:
    """No node hears another: each takes the address. Then all hear each other again."""
    fault = faults.adverts_dropped("VRRP filtered", output=True)
    stage.drop_adverts(fault, *stage.cluster.nodes)
    stage.wait(stage.timing.dead_s + 0.5)
    stage.reference()
    stage.mark("healed")
    stage.heal()
    stage.watch()


def one_way_loss(stage: Stage) -> None:
    """The standbys do not hear the holder, which hears them."""
    fault = faults.adverts_dropped("adverts lost one way")
    stage.drop_adverts(fault, *stage.cluster.nodes[1:])
    stage.watch()
    stage.mark("healed")
    stage.heal()
    stage.wait(0.5)


def lossy_network(stage: Stage) -> None:
    fault = faults.adverts_dropped("30 % of adverts lost", percent=30)
    stage.drop_adverts(fault, *stage.cluster.nodes[1:])
    stage.wait(max(LOSSY_S, 6 * stage.timing.advert_s))


def rogue(stage: Stage) -> None:
    stage.rogue(max(ROGUE_S, 5 * stage.timing.advert_s))
    stage.wait(0.5)


def cpu_starved(stage: Stage) -> None:
    stage.inject(faults.cpu_starved(STARVED_S), stage.holder)
    stage.wait(STARVED_S + 0.2)


def all_nginx_dead(stage: Stage) -> None:
    """nginx dies everywhere and stays dead; then one standby has it back, later everybody."""
    stage.inject(faults.NGINX_KEPT_DOWN, *stage.cluster.nodes)
    stage.wait(stage.timing.dead_s + 1.0)
    stage.reference()
    stage.mark(f"nginx back on {stage.standby.name}")
    stage.heal(faults.NGINX_KEPT_DOWN, stage.standby)
    stage.watch()
