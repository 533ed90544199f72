"""SYS-04, SYS-12: does nftables let in who may come, and as often as they may?"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from verify.checks.check import Answer, Here, fails, faultless, on_host
from verify.checks.premises import keepalived_configured, limits_connections, rules_loaded
from verify.observe.machine_probes import clients_table
from verify.read.nft_output import networks, shown


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
    needs=(limits_connections, rules_loaded),
    settles=True,
    reason="nginx counts no connection that holds half a request: one address could fill it.",
    remedy="systemctl reload keepalived (in a routed cluster: restart tandem-handover) loads the "
    "rules; if they disappear again, something flushes all of nftables. If client_limits was "
    "changed: run deploy.py.",
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
