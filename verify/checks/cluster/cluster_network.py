"""X: what the network sees of a cluster: one MAC, one page, no stranger, every standby ready."""

from __future__ import annotations

from verify.checks.check import FROM_HERE, Across, Answer, faultless, holds_if, on_vip, warns
from verify.checks.cluster.cluster_agreement import running
from verify.checks.premises import (
    keepalived_somewhere,
    one_has_vip,
    one_holder,
    two_reached,
    vip_held,
)
from verify.read.keepalived_output import VrrpState
from verify.read.machine_view import CannotTell, MachineView


def _macs(across: Across) -> dict[str, frozenset[str]]:
    """The MACs that answer for the VIP, by who asked."""
    if any(machine.can_listen for machine in across.machines.values()):
        return across.by_machine(lambda machine: machine.heard.macs)
    # No machine has Perl or Python to ask with: what the kernels found out for themselves. (That
    # of a holder does not ask, and may remember who held it before.)
    vip = across.cluster.vip.ip
    return across.by_machine(
        lambda machine: frozenset(
            mac
            for address, mac in machine.neighbours.items()
            if address == vip and machine.name not in across.holders
        )
    )


def _holder_mac(across: Across) -> str:
    name = across.holders[0]
    return across.machines[name].interfaces[across.node(name).interface].mac


@on_vip(
    "X-07",
    "one MAC answers for the VIP",
    reads=("heard", "neighbours"),
    needs=(one_has_vip, two_reached, vip_held),
    reason="Two MACs mean two machines with one address: each client reaches one of them by "
    "chance.",
    remedy="arping -b -c 3 -I INTERFACE VIP shows who answers. A MAC that no node has is that of "
    "another machine with our address.",
)
def one_mac(across: Across) -> Answer:
    macs = sorted(frozenset().union(*_macs(across).values()))
    actual = ", ".join(macs) or "no machine answers"
    return holds_if(len(macs) == 1, expected="one MAC", actual=actual)


@on_vip(
    "X-08",
    "the MAC that answers for the VIP is the holder's",
    reads=("heard", "neighbours", "addresses"),
    needs=(one_has_vip, two_reached, one_holder),
    reason="Another machine that answers for the VIP takes its traffic away.",
    remedy="Find the machine with that MAC (the switch knows its port) and remove the address "
    "from it.",
)
def holders_mac(across: Across) -> Answer:
    own = _holder_mac(across)
    found = frozenset().union(*_macs(across).values())
    if not found:
        raise CannotTell("nobody answers for the VIP (X-07)", "X-07")
    return faultless(sorted(found - {own}), expected=f"{own} ({across.holders[0]})", found=own)


@on_vip(
    "X-09",
    "neighbour tables have the holder's MAC for the VIP",
    reads=("neighbours",),
    needs=(one_has_vip, two_reached, one_holder),
    reason="A neighbour table that still has the old holder's MAC sends traffic to a node that no "
    "longer serves.",
    remedy="On the machine named: ip neighbour flush to VIP. keepalived should have announced the "
    "move (gratuitous ARP).",
)
def neighbours_agree(across: Across) -> Answer:
    own, vip = _holder_mac(across), across.cluster.vip.ip
    faults = [
        f"{name} has {table[vip]}"
        for name, table in across.by_machine(lambda machine: machine.neighbours).items()
        if name not in across.holders and table.get(vip, own) != own
    ]
    return faultless(faults, expected=own)


@on_vip(
    "X-10",
    "the VIP serves the holder's page to every machine",
    reads=("page:vip", "addresses", FROM_HERE),
    needs=(one_holder,),
    reason="This is what clients get; every other check serves it. X-11 asks from the controller.",
    remedy="NGX-14 says whether the holder's own address answers. If it does, look at X-07, X-08, "
    "the firewall, and the route from the machine that fails.",
)
def vip_serves(across: Across) -> Answer:
    page = across.node(across.holders[0]).page
    faults = []
    asked_itself = set(across.holders)
    for name, machine in across.machines.items():
        if name not in across.holders and machine.on_loopback(across.cluster.vip.ip):
            asked_itself.add(name)  # it still carries connections
            continue
        try:
            answer = machine.asked("page:vip", timed=True)
        except CannotTell as error:
            faults.append(f"{name} cannot ask: {error}")
            continue
        if answer.status != 200 or answer.body.rstrip("\n") != page:
            shown = f"{answer.status}, {answer.body[:60].rstrip()!r}"
            faults.append(f"{name} gets {shown if answer.status else answer.body}")
    here = (get.status == 200 and get.body.rstrip("\n") == page for get in across.from_here[:1])
    if not faults and asked_itself >= across.machines.keys() and not any(here):
        raise CannotTell("only machines that have the VIP themselves have asked for its page")
    return faultless(faults, expected=f"200, {page!r}", found=f"{page!r}")


@on_vip(
    "X-18",
    "nobody else speaks VRRP with our VRID",
    reads=("heard", "speakers_table"),
    needs=(one_has_vip,),
    reason="nftables drops a stranger's adverts here (SYS-04), so they do no harm; but the "
    "stranger believes in another holder, or is one, and every switch sees its adverts.",
    remedy="Find the machine with that address and give it another VRID, or set another "
    "virtual_router_id in group_data/.",
)
def no_stranger(across: Across) -> Answer:
    vrid = across.cluster.preferred.virtual_router_id
    ours = {str(node.speaks_from) for node in across.cluster.nodes}
    strangers = {
        f"{advert.source} (priority {advert.priority}, VRRPv{advert.version})"
        for adverts in across.by_machine(lambda machine: machine.heard.adverts).values()
        for advert in adverts
        if advert.vrid == vrid and advert.source not in ours
    }
    strangers |= {
        f"{source} (turned away by {name})"
        for name, machine in across.machines.items()
        for source in _turned_away(machine) - ours
    }
    return faultless(sorted(strangers), expected=f"only our nodes speak as VRID {vrid}")


def _turned_away(machine: MachineView) -> frozenset[str]:
    table = machine.speakers
    if table is None:  # nobody is turned away (SYS-04)
        return frozenset()
    if table.strangers is None:
        raise CannotTell(f"{machine.name} does not remember whom it turns away (SYS-04)")
    return table.strangers


@on_vip(
    "X-20",
    "unicast peers are the cluster's other machines",
    reads=("keepalived_conf",),
    needs=(keepalived_somewhere,),
    reason="A peer that is left out hears no adverts, and takes the VIP too.",
    remedy="Run deploy.py after every machine that is added or removed.",
    settles=False,
)
def unicast_peers(across: Across) -> Answer:
    faults, modes = [], set()
    for name, instance in across.by_machine(lambda machine: machine.vrrp_conf()).items():
        node = across.node(name)
        wanted = {str(peer.speaks_from) for peer in across.cluster.peers(node)}
        lists = list(instance.every("unicast_peer"))
        peers = {entry.words[0] for entries in lists for entry in entries.block}
        modes.add("unicast" if lists else "multicast")
        if lists and peers != wanted:
            faults.append(f"{name} sends to {', '.join(sorted(peers)) or 'nobody'}")
    wanted_mode = "multicast" if across.cluster.preferred.classic else "unicast"
    if modes - {wanted_mode}:
        faults.append(f"not every machine sends {wanted_mode}")
    return faultless(
        faults, expected="each node sends to all others", found=", ".join(sorted(modes))
    )


@on_vip(
    "X-21",
    "every standby could take over now",
    reads=("vrrp", "nginx_page", "addresses", "keepalived_down"),
    needs=(one_has_vip, two_reached, keepalived_somewhere),
    reason="With a standby that cannot serve, the next small fault becomes an outage.",
    remedy="Repair what is named on that machine. A drain ends with switchover.py --data "
    "undrain=HOST. /run/tandem/drain is there in a machine's turn of a deploy; if none is at work, "
    "the next one removes it.",
)
def standbys_ready(across: Across) -> Answer:
    faults, drained = [], []
    states = running(across)
    standbys = [name for name in across.machines if name not in across.holders]
    for name in standbys:
        machine, node = across.machines[name], across.node(name)
        if name not in states or states[name].state != VrrpState.BACKUP:
            shown = states[name].state.name if name in states else "not answering"
            faults.append(f"{name}: keepalived is {shown}")
        try:
            answer = machine.asked("nginx_page")
            if answer.status != 200:
                faults.append(f"{name}: nginx answers {answer.status or answer.body}")
        except CannotTell as error:
            faults.append(f"{name}: nginx was not asked ({error})")
        for interface in dict.fromkeys((node.interface, node.vrrp.name)):
            link = machine.interfaces.get(interface)
            if link is None or "LOWER_UP" not in link.flags:
                faults.append(f"{name}: {interface} is down")
        if machine.drained:
            drained.append(f"{name} by {machine.drained_by}")
    expected = "BACKUP, nginx answers, link up, not drained"
    if drained and not faults:
        return warns(expected=expected, actual=f"drained: {', '.join(drained)}")
    return faultless(faults, expected=expected, found=", ".join(standbys) or "no standby")
