"""HO: would connections go on if the address moved now?"""

from __future__ import annotations

from verify.checks.check import (
    Across,
    Answer,
    Here,
    agrees,
    faultless,
    holds,
    holds_if,
    on_host,
    on_vip,
)
from verify.checks.premises import (
    elects_holder,
    handover_in_cluster,
    has_handover,
    has_vip6,
    one_has_vip,
    one_holder,
    two_reached,
)
from verify.observe.machine_probes import HANDOVER
from verify.read.machine_view import RUNNING
from verify.read.nft_output import HandOver


@on_host(
    "HO-01",
    "the hand-over's service runs",
    reads=("units",),
    needs=(has_handover,),
    settles=True,
    reason="Without it connections hang when the address leaves: no node continues or resets them.",
    remedy="systemctl enable --now tandem-handover; journalctl -u tandem-handover says why it "
    "does not run.",
)
def service(here: Here) -> Answer:
    return agrees(expected=RUNNING, actual=here.machine.service(HANDOVER))


@on_host(
    "HO-02",
    "nftables sends segments on to every other node",
    reads=("handover_table", "handover_table6"),
    needs=(elects_holder, has_handover),
    settles=True,
    each_vip=True,
    reason="Without these tables the holder resets the connections of the node that held the VIP "
    "before.",
    remedy="systemctl restart tandem-handover loads them. journalctl -u tandem-handover shows "
    "whether something keeps flushing them.",
)
def tables(here: Here) -> Answer:
    wanted = {"handover_table": (str(here.cluster.vip.ip), "own")}
    if here.cluster.vip6:
        wanted["handover_table6"] = (str(here.cluster.vip6.ip), "address6")
    if not here.node.handover:
        there = [probe for probe in wanted if here.machine.handover(probe)]
        return faultless(there, expected="switched off: no table", found="none, switched off")
    faults: list[str] = []
    for probe, (vip, own) in wanted.items():
        peers = frozenset(str(getattr(peer, own)) for peer in here.cluster.peers(here.node))
        table = here.machine.handover(probe)
        faults += _faults(table, vip, peers) if table else [f"no table for {vip}"]
    return faultless(faults, expected="segments for the VIP go to all other nodes", found="loaded")


def _faults(table: HandOver, vip: str, peers: frozenset[str]) -> list[str]:
    faults = [] if table.addresses == {vip} else [f"the table is for {', '.join(table.addresses)}"]
    if not table.asks_sockets:
        faults.append("no rule looks for the connection's socket")
    if not table.before_filters:
        faults.append("its priority is not raw, so that other rules come first")
    for shown, found in (("segments go to", table.sent_on_to), ("beats come from", table.heard_of)):
        if found != peers:
            faults.append(f"{shown} {', '.join(sorted(found)) or 'nobody'}")
    return faults


@on_host(
    "HO-03",
    "a VIP on lo is not answered for by ARP",
    reads=("handover_sysctls",),
    needs=(has_handover,),
    reason="A node that has the VIP on `lo` would answer ARP for it: split brain for clients where "
    "one node holds the VIP, and a way past the routers where all announce it.",
    remedy="sysctl -p /etc/sysctl.d/61-tandem-handover.conf. Then find what else sets these "
    "values.",
)
def sysctls_set(here: Here) -> Answer:
    found = here.machine.handover_sysctls
    faults = []
    for name, right in (("arp_ignore", (1, 2)), ("arp_announce", (2,))):
        for interface in here.node.interfaces:
            value = max(found[f"all/{name}"], found[f"{interface.name}/{name}"])
            if value not in right:
                faults.append(f"{name} is {value} on {interface.name}")
    return faultless(faults, expected="arp_ignore 1, arp_announce 2", found="as wanted")


@on_host(
    "HO-04",
    "the holder has the VIP on lo as well",
    reads=("addresses",),
    needs=(elects_holder, has_handover),
    settles=True,
    each_vip=True,
    reason="Without it the holder cannot continue its connections when the address leaves.",
    remedy="Does tandem-handover run (HO-01)? It adds the address at once.",
)
def on_lo(here: Here) -> Answer:
    vips = [vip.ip for vip in (here.cluster.vip, here.cluster.vip6) if vip]
    if not here.machine.carries(here.cluster.vip.ip):
        carried = [str(vip) for vip in vips if here.machine.on_loopback(vip)]
        shown = f"carries connections to {', '.join(carried)}"
        return holds(shown if carried else "not the holder")
    missing = [str(vip) for vip in vips if not here.machine.on_loopback(vip)]
    return faultless(missing, expected="on lo as well")


@on_host(
    "HO-05",
    "the IPv6 address is on the node with the VIP",
    reads=("addresses",),
    needs=(elects_holder, has_vip6),
    settles=True,
    reason="Both families are one service: when one of them stays behind, its clients have an "
    "outage.",
    remedy="On the holder: systemctl restart keepalived. On any other node: ip address delete "
    "VIP6 dev INTERFACE.",
)
def ipv6_address(here: Here) -> Answer:
    assert here.cluster.vip6
    found = here.machine.interfaces.get(here.node.interface)
    has6 = found is not None and any(a.ip == here.cluster.vip6.ip for a in found.addresses)
    has4 = here.machine.carries(here.cluster.vip.ip)
    shown = f"{'has' if has4 else 'has not'} IPv4, {'has' if has6 else 'has not'} IPv6"
    return holds_if(has4 == has6, expected="both or none", actual=shown)


@on_vip(
    "HO-06",
    "every standby hears the holder's beat",
    reads=("handover_table",),
    needs=(one_has_vip, handover_in_cluster, two_reached, one_holder),
    reason="A standby that does not hear the beat resets the holder's connections when it takes "
    "over.",
    remedy="Does tandem-handover run on the holder (HO-01)? Does the holder's firewall let UDP "
    "7112 out?",
)
def heard(across: Across) -> Answer:
    holder = across.holders[0]
    address = str(across.node(holder).own)
    deaf = [
        name
        for name, machine in across.machines.items()
        if name != holder and (table := machine.handover()) and address not in table.carriers
    ]
    return faultless(deaf, expected=f"all hear {holder}")
