"""The scenarios of what changes underneath: addresses, interfaces, firewalls, names, strangers.

Where a machine cannot be reached meanwhile, it breaks and mends itself
(control/network/leaving.py), and what it has to say comes when it can be reached again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from drills.control import faults
from drills.control.cluster_control import ClusterControl
from drills.control.faults import Fault
from drills.control.lab_injection import CARD_OUT, PAUSED, POWERLESS
from drills.control.machines import MachineError
from drills.control.network import around_keepalived, leaving
from drills.scenarios.scenario import Steps
from settings import Node

# After so long a machine that has come back takes part again.
BACK_S = 2.0
CARDLESS_S = 1.0
# keepalived, the watch and the hand-over have so long to follow an interface that is another one.
RECOVERS_S = 6.0
PAUSED_S = 3.0
STRANGER_S = 5.0
# So long the hand-over has until its tables are there again.
RULES_BACK_S = 5.0
RESTARTS, RESTART_STEP_S = 3, 1.0
RESOLVING_S = 6.0
# keepalived is started anew, and judged by those who judge it.
JUDGED_S = 4.0
READY_S = 20.0
KEEPALIVED_INDEX = "interface's index"
# The checks that see who else answers for the VIP.
CHECK = re.compile(r"\b[A-Z]{1,4}-\d\d\b")
STRANGER_CHECKS = "X-07,X-08,X-09,X-10,X-11"


def standby(control: ClusterControl) -> Node:
    return control.standby


def holder(control: ClusterControl) -> Node:
    return control.holder


def leaves(make: Callable[[Node], Fault], which: Callable[[ClusterControl], Node]) -> Steps:
    """A machine's own address, or its interface, is away for some seconds."""

    def steps(control: ClusterControl) -> None:
        node = which(control)
        control.inject(make(node), node)
        control.wait(BACK_S)
        _whole(control, node)

    return steps


def own_address_back(control: ClusterControl) -> None:
    """And letting go of the VIP afterwards takes nothing else along."""
    node = control.holder
    control.inject(leaving.own_address_back(node), node)
    control.watch()
    _whole(control, node)
    control.shell("restart keepalived", node, f"{faults.SERVICE} restart keepalived")
    control.wait(BACK_S)
    _whole(control, node)


def _whole(control: ClusterControl, node: Node) -> None:
    """The machine is as it was, by itself. What it is not, is a problem of the repeat."""
    try:
        status, text = control.machines.ask(node.name, leaving.whole(node))
    except MachineError as error:
        status, text = 1, str(error)
    if status:
        control.problems.append(f"{node.name}: {text.strip() or 'it has not come back'}")


def booted_without_address(control: ClusterControl) -> None:
    """The standby has booted, and got its address late."""
    node = control.standby
    control.inject(leaving.late_at_boot(node), node)
    control.power_off(node)
    control.heal(POWERLESS, node)
    control.wait(leaving.LATE_S / 2)
    control.look(node, leaving.LATE_SHOWN)


def holder_dies(control: ClusterControl) -> None:
    control.anew()
    control.power_off(control.holder)
    control.watch()


def card_is_another(control: ClusterControl) -> None:
    """The standby's interface is deleted, and made again under the same name."""
    node = control.standby
    control.inject(leaving.followed(node), node)
    index = f"ip -o link show dev {node.interface} | cut -d : -f 1"
    with control.changing(KEEPALIVED_INDEX, index, node):
        control.take_card(node)
        control.wait(CARDLESS_S)
        control.heal(CARD_OUT, node)
    control.wait(RECOVERS_S)


def holder_cut(control: ClusterControl) -> None:
    control.anew()
    control.unplug(control.holder)
    control.look_at_cable(control.holder)
    control.watch()


def vrrp_cut(control: ClusterControl) -> None:
    """The network in which VRRP alone is spoken: clients reach the holder all the same."""
    node = control.holder
    control.unplug(node, node.vrrp.name)
    control.look_at_cable(node, node.vrrp.name)
    control.watch()


def paused(control: ClusterControl) -> None:
    """A virtual machine stands still, as while it is moved, and goes on as if nothing had been."""
    control.pause(control.holder)
    control.wait(PAUSED_S)
    control.mark(f"{control.holder.name} goes on")
    control.heal(PAUSED, control.holder)
    control.wait(BACK_S)


def stranger(control: ClusterControl) -> None:
    """Somebody else has the VIP for some seconds; the verifier has to say so."""
    told = control.beside(lambda: _verified(control))
    control.stranger(STRANGER_S)
    control.reference()
    control.mark("the stranger has gone")
    control.watch()
    named = told()
    control.notes.append(f"the verifier named {named or 'nothing'}")
    if not named:
        control.problems.append("the verifier did not see the stranger")


def _verified(control: ClusterControl) -> str:
    """Which of those checks do not hold, while the stranger is there."""
    control.wait(1.0)
    return _named(control, f"only={STRANGER_CHECKS}")


def _named(control: ClusterControl, *data: str) -> str:
    """The checks that the verifier names because they do not hold."""
    try:
        control.commands.run("verify.py", *data)
    except MachineError as error:
        # The words before are the command, which has names of checks in it, too.
        said = str(error).partition(": exit ")[2]
        return ", ".join(sorted(set(CHECK.findall(said))))
    return ""


def rules_flushed(control: ClusterControl) -> None:
    nodes = control.cluster.nodes
    control.inject(around_keepalived.RULES_FLUSHED, *nodes)
    control.wait(RULES_BACK_S)
    for node in nodes:
        if control.machines.ask(node.name, around_keepalived.RULES_THERE)[0]:
            without = f"without the hand-over's tables {RULES_BACK_S:g} s after the flush"
            control.problems.append(f"{node.name}: {without}")


def resolver_dead(control: ClusterControl) -> None:
    """Mails are on their way, and keepalived reads its configuration anew."""
    node = control.holder
    control.inject(around_keepalived.RESOLVER_DEAD, *control.cluster.nodes)
    control.shell("reload keepalived", node, f"{faults.SERVICE} reload keepalived")
    control.wait(RESOLVING_S)


def without_inotify(control: ClusterControl) -> None:
    """Before the prober asks: keepalived starts anew, and the cluster settles whoever holds."""
    control.inject(around_keepalived.INOTIFY_EXHAUSTED, control.holder)
    control.wait(JUDGED_S)


def nginx_dies(control: ClusterControl) -> None:
    """For good, on the machine whose keepalived cannot see it."""
    control.anew()
    control.inject(faults.NGINX_KEPT_DOWN, control.holder)
    control.watch()


def firewall_known(control: ClusterControl) -> None:
    """Its first start: the standby hears nobody, takes the address for an instant, and says so.

    From then on its adverts and the holder's are one connection to the firewall, which lets it in.
    """
    fault = around_keepalived.stateful_firewall(control.standby)
    control.drop_adverts(fault, control.standby)
    control.wait(max(RESTART_STEP_S, 2 * control.timing.dead_s))
    control.heal(fault, control.standby)


def firewalled(control: ClusterControl) -> None:
    """A standby's stateful firewall, which does not know VRRP, is started anew several times."""
    control.anew()
    fault = around_keepalived.stateful_firewall(control.standby)
    for _ in range(RESTARTS):
        control.drop_adverts(fault, control.standby)
        control.wait(RESTART_STEP_S)
        control.count_adverts("adverts that met the firewall", control.standby)
        control.heal(fault, control.standby)


def address6_lost(control: ClusterControl) -> None:
    """The verifier names it, unless the machine has mended it by then."""
    node = control.standby
    control.inject(around_keepalived.address6_lost(node), node)
    control.wait(BACK_S)
    named = _named(control)
    control.notes.append(f"the verifier named {named or 'nothing'}")
    there = f"ip -o -6 address show to {node.address6} | grep -q ."
    if not named and control.machines.ask(node.name, there)[0]:
        control.problems.append(
            f"{node.name}: without {node.address6}, and the verifier is content"
        )
