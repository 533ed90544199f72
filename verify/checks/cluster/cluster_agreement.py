"""X: do the machines of a cluster agree on who holds the VIP, and is it one of them?"""

from __future__ import annotations

import re
from collections import Counter

from verify.checks.check import Across, Answer, faultless, holds_if, on_vip
from verify.checks.premises import keepalived_somewhere, one_has_vip, one_holder, two_reached
from verify.read.keepalived_output import Vrrp, VrrpState
from verify.read.machine_view import CannotTell

# How keepalived numbers authentication: a password, as the classic profile has it, or none.
AUTH_TYPES = {True: 1, False: 0}


def running(across: Across) -> dict[str, Vrrp]:
    """The VRRP instance of each node that reports one (KA-01 and KA-04 are about the others)."""
    return across.by_machine(lambda machine: machine.vrrp())


@on_vip(
    "X-01",
    "exactly one machine holds the VIP",
    reads=("addresses",),
    needs=(one_has_vip,),
    reason="Without a holder the site is down; with two, each client reaches one or the other by "
    "chance.",
    remedy="On none: does keepalived run (KA-01), and nginx (NGX-10)? On two: do adverts arrive "
    "(KA-09), is the VRID the same (X-04), was the address added by hand (NET-02)?",
)
def one_vip(across: Across) -> Answer:
    vip, holders = across.cluster.vip.ip, across.holders
    if not holders and across.silent:
        raise CannotTell(f"{vip} is on no machine that could be asked")
    shown = f"{vip} on {', '.join(holders) or 'none'}"
    return holds_if(len(holders) == 1, expected=f"{vip} on one machine", actual=shown)


@on_vip(
    "X-02",
    "exactly one node says MASTER, and it is the holder",
    reads=("vrrp", "addresses"),
    needs=(keepalived_somewhere,),
    reason="A MASTER without the address serves nobody; an address without a MASTER never moves.",
    remedy="systemctl restart keepalived on the machine that is wrong; journalctl -u keepalived "
    "says why.",
)
def one_master(across: Across) -> Answer:
    masters = tuple(
        name for name, vrrp in running(across).items() if vrrp.state == VrrpState.MASTER
    )
    if not masters and across.silent:
        raise CannotTell("no machine that answered says MASTER")
    shown = f"MASTER: {', '.join(masters) or 'none'}; VIP on {', '.join(across.holders) or 'none'}"
    right = len(masters) == 1 and masters == across.holders
    return holds_if(right, expected="one MASTER, and the VIP with it", actual=shown)


@on_vip(
    "X-03",
    "the holder has the highest effective priority",
    reads=("vrrp",),
    needs=(one_has_vip, two_reached, keepalived_somewhere, one_holder),
    reason="The VIP should be on the best node; elsewhere, the election is stuck.",
    remedy="Is preemption on, and do adverts arrive (KA-09)? journalctl -u keepalived on both.",
)
def best_holds(across: Across) -> Answer:
    priorities = {name: vrrp.effective_priority for name, vrrp in running(across).items()}
    (holder,) = across.holders
    if holder not in priorities:
        raise CannotTell(f"keepalived on {holder}, the holder, does not report its state")
    return holds_if(
        priorities[holder] == max(priorities.values()),
        expected="the VIP on the node with the highest priority",
        actual=f"{across.named(priorities)}; VIP on {holder}",
    )


@on_vip(
    "X-04",
    "all nodes speak VRRP as the inventory says",
    reads=("vrrp",),
    needs=(keepalived_somewhere,),
    reason="Nodes that differ in one of these do not hear each other, and each takes the VIP.",
    remedy="Run deploy.py. X-12 shows how the machines' keepalived.conf differ.",
)
def same_protocol(across: Across) -> Answer:
    node = across.cluster.preferred
    wanted = (
        f"VRID {node.virtual_router_id}, v{node.vrrp_version}, "
        f"{node.advert_s:g} s, authentication {AUTH_TYPES[node.classic]}"
    )
    found = {
        name: f"VRID {v.vrid}, v{v.version}, {v.adver_int:g} s, authentication {v.auth_type}"
        for name, v in running(across).items()
    }
    faults = [f"{name}: {shown}" for name, shown in found.items() if shown != wanted]
    return faultless(faults, expected=wanted)


@on_vip(
    "X-05",
    "priorities differ, and backups follow our master",
    reads=("vrrp", "addresses"),
    needs=(one_has_vip, two_reached, keepalived_somewhere),
    reason="Equal priorities leave the election to chance; a backup that hears another master "
    "follows a stranger.",
    remedy="Run deploy.py for the priorities. X-18 names a stranger, KA-09 says what arrives.",
)
def hear_our_master(across: Across) -> Answer:
    found = running(across)
    counts = Counter(vrrp.base_priority for vrrp in found.values())
    faults = [
        f"{count} nodes have priority {value}" for value, count in counts.items() if count > 1
    ]
    if len(across.holders) == 1 and across.holders[0] in found:
        holder = across.holders[0]
        priority = found[holder].effective_priority
        faults += [
            f"{name} follows a master of priority {vrrp.master_priority}, not {holder}'s {priority}"
            for name, vrrp in found.items()
            if vrrp.state != VrrpState.MASTER and vrrp.master_priority != priority
        ]
    shown = across.named({name: vrrp.base_priority for name, vrrp in found.items()})
    return faultless(
        faults, expected="different priorities, backups that follow our master", found=shown
    )


@on_vip(
    "X-06",
    "all nodes are configured with the same address",
    reads=("vrrp",),
    needs=(keepalived_somewhere,),
    reason="A node refuses adverts whose addresses are not its own, and takes the VIP itself.",
    remedy="Run deploy.py: vip, interface and label come from the inventory.",
)
def same_addresses(across: Across) -> Answer:
    faults = []
    for name, vrrp in running(across).items():
        node = across.node(name)
        wanted = f"{across.cluster.held} dev {node.interface}"
        if across.cluster.vip.version == 4:
            scope = "" if across.cluster.scope == "global" else f" scope {across.cluster.scope}"
            label = across.cluster.label(node)
            wanted += f"{scope}{f' label {label}' if label else ''}"
        else:
            wanted += " deprecated"
        found = [" ".join(_address_words(text)) for text in vrrp.vips]
        if found != [wanted]:
            faults.append(f"{name} has {', '.join(found) or 'none'}")
    return faultless(faults, expected=f"only {across.cluster.held}, with its label")


def _address_words(text: str) -> list[str]:
    """keepalived's "10.0.0.9/24 dev eth0 scope global label eth0:0 set" without what goes without
    saying."""
    return re.sub(r" scope global\b| set$", "", text).split()
