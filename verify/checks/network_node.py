"""NET, SYS-04 and SYS-12: are the machine's addresses, link and filters as they should be?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network

from settings import Node
from settings.mistakes import vip_mistakes
from settings.values import Interface
from verify.checks.check import Answer, Here, fails, faultless, holds, holds_if, on_host, warns
from verify.checks.premises import keepalived_configured, limits_connections, vip_in_group
from verify.observe.machine_probes import clients_table
from verify.observe.route_probes import destinations, ways
from verify.read.nft_output import networks, shown

# Whoever renews a lease does so at half of its time, long before this.
LEASE_MIN_S = 60


@on_host(
    "NET-01",
    "the VIP has its prefix, scope, interface and label",
    reads=("addresses",),
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
    faults: list[str] = []
    shown: list[str] = []
    names = [interface.name for interface in here.node.interfaces]
    for name in names:
        found = here.machine.interfaces.get(name)
        if found is None:
            faults.append(f"no interface {name}")
            continue
        absent = [flag for flag in ("UP", "LOWER_UP", "MULTICAST") if flag not in found.flags]
        faults += [f"{name} has no {flag}" for flag in absent]
        shown.append(f"{name} {', '.join(sorted(found.flags))}")
    expected = f"{' and '.join(names)} UP, LOWER_UP, MULTICAST"
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
        elif wanted and route.interface != wanted.interface:
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
    reason="keepalived speaks from this address. A node that loses it hears nobody and takes the "
    "VIP too; keepalived 2.2 does not come back from that by itself. A VIP with another prefix "
    "brings its holder a route that takes what is behind a router for a neighbour.",
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
    wrong = vip_mistakes.of_networks(node, carried)
    faults += [f"{mistake.setting} is {mistake.value}: {mistake.remedy}" for mistake in wrong]
    expected = f"{' and '.join(_on_each(node))}, for good, in the VIP's own network"
    if leased and not faults:
        return warns(expected=expected, actual="; ".join(leased))
    return faultless(faults, expected=expected)


@on_host(
    "NET-06",
    "nobody but keepalived sets the VIP",
    reads=("vip_files",),
    reason="A network manager that has the VIP in its files sets it on a node that is not the "
    "MASTER, after a boot or a restart of the network: two holders.",
    remedy="Take the VIP out of the file that is named; keepalived alone sets it.",
)
def set_elsewhere(here: Here) -> Answer:
    files = {mention.file for mention in here.machine.vip_mentions if not mention.comment}
    return faultless(sorted(files), expected="in no network manager's file")


@on_host(
    "NET-07",
    "its own address stands before the VIP",
    reads=("addresses",),
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
    vrid, interface = node.virtual_router_id, node.vrrp.name
    peers = frozenset(str(peer.speaks_from) for peer in here.cluster.peers(node))
    expected = f"VRID {vrid} on {interface} from the other nodes only"
    table = here.machine.speakers
    if table is None:
        actual = "no table tandem_vrrp: adverts from anywhere are accepted"
        return fails(expected=expected, actual=actual)
    found = table.on(interface, vrid)
    if found is None:
        rules = [f"VRID {each.vrid} on {each.interface or 'no interface'}" for each in table.rules]
        return fails(
            expected=expected, actual=f"the rules are for {' and '.join(rules) or 'nobody'}"
        )
    faults: list[str] = []
    if not found.drops_others:
        faults.append("the rules drop nobody's adverts")
    if found.accepted != peers:
        faults.append(f"accepted are {', '.join(sorted(found.accepted)) or 'none'}")
    if found.routed:
        faults.append("accepted is what a router has passed on")
    return faultless(faults, expected=expected, found="from the other nodes only")


@on_host(
    "SYS-12",
    "a client's new connections are limited as asked",
    reads=("clients_table", "clients_table6"),
    needs=(limits_connections, keepalived_configured),
    settles=True,
    reason="nginx counts no connection that holds half a request: one address could fill it.",
    remedy="systemctl reload keepalived loads the rules; if they disappear again, something "
    "flushes all of nftables. If client_limits was changed: run deploy.py.",
)
def connecting(here: Here) -> Answer:
    node, limits = here.node, here.node.client_limits
    ports = sorted({str(node.http_port), str(node.served_port)})
    wanted = limits and (limits.new_connections_per_s, limits.new_connections_at_once)
    expected = "{} a second, {} at once".format(*wanted or ("any", "any"))
    faults: list[str] = []
    for version, family in ((4, "ip"), (6, "ip6")):
        found = here.machine.connecting(clients_table(family))
        if found is None:
            faults.append(f"no table {family} tandem_clients: as many as it likes")
            continue
        wrong = [] if found.limits else ["the rules limit nobody"]
        for each_second, at_once, of_ports in found.limits:
            if (each_second, at_once) != wanted:
                wrong.append(f"the rules grant {each_second} a second, {at_once} at once")
            wrong += [f"not on port {port}" for port in ports if port not in of_ports]
        if found.unlimited != _without_limit(here, version):
            wrong.append(f"without limit are {shown(found.unlimited) or 'none'}")
        faults += [f"IPv{version}: {each}" for each in wrong]
    return faultless(faults, expected=expected, found=expected)


def _without_limit(here: Here, version: int) -> tuple[IPv4Network | IPv6Network, ...]:
    """The other machines, and the proxies in front, each of which is many clients."""
    peers = (
        ip_network(own) for peer in here.cluster.peers(here.node) for own in peer.own_addresses
    )
    wanted = (*peers, *here.node.trusted_networks)
    return networks(each for each in wanted if each.version == version)
