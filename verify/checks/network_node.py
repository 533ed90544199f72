"""NET and SYS-04: are the machine's addresses, link and VRRP filter as they should be?"""

from __future__ import annotations

from verify.checks.check import Answer, Here, fails, faultless, holds, holds_if, on_host
from verify.checks.premises import keepalived_configured


@on_host(
    "NET-01",
    "the VIP has its prefix, interface and label",
    reads=("addresses",),
    settles=True,
    each_vip=True,
    reason="A wrong prefix breaks routes; tools find the address by its label.",
    remedy="systemctl restart keepalived on the holder: it sets the address as its file says. "
    "X-06 says whether the file is right.",
)
def vip(here: Here) -> Answer:
    wanted = here.cluster.vip
    label = here.node.label if wanted.version == 4 else here.node.interface
    expected = f"{wanted} on {here.node.interface} as {label}"
    found = here.machine.addresses(wanted.ip)
    if not found:
        return holds("not the holder")
    shown = [f"{wanted.ip}/{a.prefix} on {a.interface} as {a.label}" for a in found]
    return holds_if(shown == [expected], expected=expected, actual=" and ".join(shown))


@on_host(
    "NET-02",
    "only the MASTER has the VIP",
    reads=("addresses", "units", "vrrp"),
    settles=True,
    each_vip=True,
    reason="A second copy of the address answers some of the clients: split brain.",
    remedy="Once X-01 has named the holder, on this machine: ip address delete VIP dev INTERFACE",
)
def not_left_behind(here: Here) -> Answer:
    if not here.machine.carries(here.cluster.vip.ip):
        return holds("no VIP")
    if not here.machine.keepalived_running:
        state = "does not run and cannot give it up"
    else:
        state = f"is {here.machine.vrrp().state.name}"
    actual = f"it has {here.cluster.vip.ip}, and keepalived {state}"
    return holds_if(state == "is MASTER", expected="the VIP on the MASTER only", actual=actual)


@on_host(
    "NET-03",
    "the network link is up, with multicast",
    reads=("addresses",),
    settles=True,
    reason="A node whose link is down, or carries no multicast, cannot take the VIP.",
    remedy="ip link set INTERFACE up multicast on; look at the cable and the switch.",
)
def link(here: Here) -> Answer:
    found = here.machine.interfaces.get(here.node.interface)
    expected = f"{here.node.interface} UP, LOWER_UP, MULTICAST, with {here.node.address}"
    if found is None:
        return fails(expected=expected, actual="no such interface")
    faults = [f"no {flag}" for flag in ("UP", "LOWER_UP", "MULTICAST") if flag not in found.flags]
    if all(address.ip != here.node.address for address in found.addresses):
        faults.append(f"no address {here.node.address}")
    return faultless(faults, expected=expected, found=", ".join(sorted(found.flags)))


@on_host(
    "SYS-04",
    "VRRP is accepted from the cluster's nodes only",
    reads=("speakers_table",),
    needs=(keepalived_configured,),
    settles=True,
    each_vip=True,
    reason="Whoever can speak VRRP here can take the VIP; keepalived 2.2.7 even gives it up to a "
    "stranger of lower priority.",
    remedy="systemctl reload keepalived loads the rules; if they disappear again, something "
    "flushes all of nftables. If the machine has none: run deploy.py.",
)
def speakers(here: Here) -> Answer:
    node = here.node
    peers = frozenset(str(peer.own) for peer in here.cluster.peers(node))
    expected = f"VRID {node.virtual_router_id} on {node.interface} from the other nodes only"
    found = here.machine.speakers
    if found is None:
        actual = "no table tandem_vrrp: adverts from anywhere are accepted"
        return fails(expected=expected, actual=actual)
    faults: list[str] = []
    if found.interface != node.interface or node.virtual_router_id not in found.vrids:
        vrids = " and ".join(map(str, sorted(found.vrids))) or "none"
        faults.append(f"the rules are for VRID {vrids} on {found.interface or 'no interface'}")
    if not found.drops_others:
        faults.append("the rules drop nobody's adverts")
    if found.accepted != peers:
        faults.append(f"accepted are {', '.join(sorted(found.accepted)) or 'none'}")
    return faultless(faults, expected=expected, found="from the other nodes only")
