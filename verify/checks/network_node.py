"""NET: are the machine's addresses and link as they should be?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_interface

from settings import Node
from settings.mistakes import vip_mistakes
from settings.values import Interface
from verify.checks.check import Answer, Here, faultless, holds, holds_if, on_host, warns
from verify.checks.premises import elects_holder, vip_in_group
from verify.observe.route_probes import destinations, ways

# Whoever renews a lease does so at half of its time, long before this.
LEASE_MIN_S = 60


@on_host(
    "NET-01",
    "the VIP has its prefix, scope, interface and label",
    reads=("addresses",),
    needs=(elects_holder,),
    settles=True,
    each_vip=True,
    reason="A wrong prefix breaks routes, or has the machine speak from the VIP; tools find the "
    "address by its label.",
    remedy="systemctl restart keepalived on the holder: it sets the address as its file says. "
    "X-06 says whether the file is right.",
)
def vip(here: Here) -> Answer:
    expected: list[str] = []
    shown: list[str] = []
    moving: list[Interface] = [here.cluster.vip]
    moving += [here.cluster.vip6] if here.cluster.vip6 else []
    for vip in moving:
        found = here.machine.addresses(vip.ip)
        shown += [
            _form(f"{each.ip}/{each.prefix}", each.scope, each.interface, each.label, each.flags)
            for each in found
        ]
        if found:
            expected.append(_expected_form(here, vip))
    if not shown:
        return holds("not the holder")
    return holds_if(shown == expected, expected=" and ".join(expected), actual=" and ".join(shown))


def _expected_form(here: Here, vip: Interface) -> str:
    held, interface = str(here.cluster.as_held(vip)), here.node.interface
    if vip.version == 6:
        return _form(held, "global", interface, interface, ("deprecated",))
    return _form(held, here.cluster.scope, interface, here.cluster.label(here.node) or interface)


def _form(address: str, scope: str, interface: str, label: str, flags: Iterable[str] = ()) -> str:
    return " ".join([address, "scope", scope, "on", interface, "as", label, *sorted(flags)])


@on_host(
    "NET-02",
    "only the MASTER has the VIP",
    reads=("addresses", "units", "vrrp"),
    needs=(elects_holder,),
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
    "the network link is up, and carries what is spoken",
    reads=("addresses",),
    settles=True,
    reason="A node whose link is down cannot take the VIP, nor be reached by a router; without "
    "multicast it speaks no VRRP.",
    remedy="ip link set INTERFACE up multicast on; look at the cable and the switch.",
)
def link(here: Here) -> Answer:
    faults: list[str] = []
    shown: list[str] = []
    names = [interface.name for interface in here.node.interfaces]
    wanted = ("UP", "LOWER_UP", *([] if here.node.routed else ["MULTICAST"]))
    for name in names:
        found = here.machine.interfaces.get(name)
        if found is None:
            faults.append(f"no interface {name}")
            continue
        absent = [flag for flag in wanted if flag not in found.flags]
        faults += [f"{name} has no {flag}" for flag in absent]
        shown.append(f"{name} {', '.join(sorted(found.flags))}")
    expected = f"{' and '.join(names)} {', '.join(wanted)}"
    return faultless(faults, expected=expected, found="; ".join(shown))


@on_host(
    "NET-04",
    "it speaks to others from its own address",
    reads=("routes",),
    settles=True,
    reason="A connection that leaves from the VIP ends when the VIP moves; and what the machine's "
    "own address is let in for (SYS-04, MET-02), another one is not.",
    remedy="ip route get PEER shows the source. Where it is the VIP, the own address was taken "
    "away and set again behind it: sysctl -w net.ipv4.conf.INTERFACE.promote_secondaries=1 (or "
    "the own address goes with the VIP), then systemctl restart keepalived.",
)
def source(here: Here) -> Answer:
    node = here.node
    vips = {vip.ip for vip in here.cluster.addresses}
    peers = ways(node, here.cluster)
    faults = []
    asked = destinations(node, here.cluster)
    for to, route in zip(asked, here.machine.routes, strict=True):
        # To elsewhere it may well have another address of its own.
        wanted = peers.get(to)
        if route.problem:
            # Only the other nodes have to be reached: a machine may have no way to elsewhere.
            faults += [f"to {to}: {route.problem}"] if wanted else []
        elif route.source in vips:
            faults.append(f"to {to} from the VIP {route.source}")
        # (The way to another room may begin at any interface that a router is at.)
        elif (
            wanted and route.interface != wanted.interface and not (node.routed and route.by_router)
        ):
            faults.append(f"to {to} by {route.interface}")
        elif wanted and route.source != wanted.source:
            faults.append(f"to {to} from {route.source}")
    shown = " and ".join(_on_each(node))
    return faultless(faults, expected=f"from {shown}", found=f"from {shown}")


def _on_each(node: Node) -> Iterator[str]:
    for name, *addresses in node.interfaces:
        yield f"{', '.join(str(own) for own in addresses if own)} on {name}"


@on_host(
    "NET-05",
    "its own address is there, and stays",
    reads=("addresses",),
    settles=True,
    reason="keepalived speaks from this address, or BIRD. A node that loses it hears nobody and "
    "takes the VIP too, or has no session any more; keepalived 2.2 does not come back from that by "
    "itself. A VIP with another prefix brings its holder a route that takes what is behind a "
    "router for a neighbour.",
    remedy="Set it for good where this machine's network is configured (not by DHCP, or with a "
    "lease that is reserved); ip address show dev INTERFACE tells how it is now.",
)
def own_address(here: Here) -> Answer:
    node = here.node
    faults: list[str] = []
    leased: list[str] = []
    own = [(name, each) for name, *addresses in node.interfaces for each in addresses if each]
    for interface, wanted in own:
        found = here.machine.addresses(wanted)
        places = {address.interface for address in found}
        if places != {interface}:
            faults.append(f"{wanted} is on {', '.join(sorted(places)) or 'no interface'}")
        for address in found:
            if unusable := sorted(address.flags - {"dynamic"}):
                faults.append(f"{wanted} is {', '.join(unusable)}")
            elif address.valid_s is not None:
                shown = f"{wanted} goes in {address.valid_s} s unless it is renewed"
                (leased if address.valid_s > LEASE_MIN_S else faults).append(shown)
    carried = {
        name: [ip_interface(f"{each.ip}/{each.prefix}") for each in link.addresses]
        for name, link in here.machine.interfaces.items()
    }
    # (What is another fault in a routed cluster, RT-12 says.)
    wrong = () if node.routed else vip_mistakes.of_networks(node, carried)
    faults += [f"{mistake.setting} is {mistake.value}: {mistake.remedy}" for mistake in wrong]
    near = "" if node.routed else ", in the VIP's own network"
    expected = f"{' and '.join(_on_each(node))}, for good{near}"
    if leased and not faults:
        return warns(expected=expected, actual="; ".join(leased))
    return faultless(faults, expected=expected)


@on_host(
    "NET-06",
    "nobody but Tandem sets the VIP",
    reads=("vip_files",),
    reason="A network manager that has the VIP in its files sets it on a node that is not the "
    "MASTER, after a boot or a restart of the network: two holders.",
    remedy="Take the VIP out of the file that is named; keepalived alone sets it, or, in a routed "
    "cluster, tandem-handover.",
)
def set_elsewhere(here: Here) -> Answer:
    files = {mention.file for mention in here.machine.vip_mentions if not mention.comment}
    return faultless(sorted(files), expected="in no network manager's file")


@on_host(
    "NET-07",
    "its own address stands before the VIP",
    reads=("addresses",),
    needs=(elects_holder,),
    settles=True,
    reason="Of the addresses of one network, the first is the source of what this machine sends, "
    "and where the kernel's promote_secondaries is 0 the others go with it: a machine that lets "
    "go of the VIP would be off the network.",
    remedy="First: sysctl -w net.ipv4.conf.INTERFACE.promote_secondaries=1 (or the own address "
    "goes with the VIP), then systemctl restart keepalived.",
)
def before_vip(here: Here) -> Answer:
    vips = {vip.ip for vip in here.cluster.addresses}
    faults = []
    addresses = [interface.address for interface in here.node.interfaces if interface.address]
    for own in (found for address in addresses for found in here.machine.addresses(address)):
        group = here.machine.interfaces[own.interface].addresses
        first = next(each for each in group if each.network == own.network)
        if own.secondary and first.ip in vips:
            faults.append(f"{own.ip}/{own.prefix} comes after {first.ip}")
    shown = " and ".join(map(str, addresses))
    return faultless(faults, expected=f"{shown} before every VIP of its network")


@on_host(
    "NET-08",
    "its own address stays when the VIP goes",
    reads=("promote_secondaries",),
    needs=(vip_in_group,),
    reason="A VIP of the own address's network that came before it takes it along when keepalived "
    "lets go of the VIP: the machine is off the network.",
    remedy="sysctl -w net.ipv4.conf.INTERFACE.promote_secondaries=1; keepalived's unit does so at "
    "each start, and a file of sysctl.d may have set it back since.",
)
def promotes(here: Here) -> Answer:
    found = here.machine.promote_secondaries
    name = "promote_secondaries"
    # Either of the two suffices.
    values = {
        interface.name: max(found[f"all/{name}"], found[f"{interface.name}/{name}"])
        for interface in here.node.interfaces
    }
    faults = [f"{name} is {value} on {on}" for on, value in values.items() if value != 1]
    return faultless(faults, expected=f"{name} 1", found=f"{name} is 1")
