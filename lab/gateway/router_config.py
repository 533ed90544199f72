"""BIRD's configuration of a router, and of the gateway behind the routers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from lab.plan import ClientNetwork, LabRouter, Peering
from lab.router_planning import TO_CLIENTS, TO_NODES

# Next hops of one route: more than a cluster can have nodes.
NEXT_HOPS_MAX = 32
# Between routers and gateway, where nothing is measured: they notice a pulled cable.
INNER_BFD = "bfd { interval 50 ms; multiplier 3; };"
# BIRD's own waits are made for the Internet: minutes, after an error.
WAITS = """\
    connect delay time 1;
    connect retry time 2;
    error wait time 1, 2;
    error forget time 5;"""


def node_protocol(number: int) -> str:
    """The name of the session with the router's peer of that number, from 0."""
    return f"node_{number + 1}"


def of_router(router: LabRouter, clients: ClientNetwork) -> str:
    """What the router speaks with machines, and how it tells the gateway about VIPs."""
    own = [address.partition("/")[0] for address in router.card(TO_CLIENTS).addresses]
    gateway = clients.gateway_addresses[0].partition("/")[0]
    families = _families(own)
    channels = "".join(
        f"""
    {family} {{
        import none;
        export where source = RTS_BGP;
        next hop address {address};
    }};"""
        for family, address in zip(families, own, strict=True)
    )
    return "\n".join(
        [
            _head(f"{router.name} ({', '.join(router.addresses)})", own[0], families),
            *(_node(router, number, peer) for number, peer in enumerate(router.peers)),
            f"""# Clients' side: the gateway hears which VIPs can be reached through here.
protocol bgp to_gateway {{
    local {own[0]} as {router.asn};
    neighbor {gateway} as {clients.asn};
    interface "{TO_CLIENTS}";
{WAITS}
    {INNER_BFD}{channels}
}}
""",
        ]
    )


def of_gateway(routers: Iterable[LabRouter], clients: ClientNetwork) -> str:
    """Where the clients' VIPs are: behind every router that says so, each for a share of flows."""
    own = [address.partition("/")[0] for address in clients.gateway_addresses]
    families = _families(own)
    channels = "".join(
        f"\n    {family} {{ import where net.len = {length}; export none; }};"
        for family, length in zip(families, (32, 128), strict=False)
    )
    sessions = [
        f"""protocol bgp {router.name} {{
    local {own[0]} as {clients.asn};
    neighbor {router.card(TO_CLIENTS).addresses[0].partition("/")[0]} as {router.asn};
    passive;
{WAITS}
    {INNER_BFD}{channels}
}}
"""
        for router in routers
    ]
    return "\n".join([_head("the gateway, where clients are", own[0], families), *sessions])


def _head(whose: str, router_id: str, families: Iterable[str]) -> str:
    kernels = "".join(
        f"""
protocol kernel kernel_{family} {{
    {family} {{ import none; export where source = RTS_BGP; }};
    # ECMP: whoever announces a VIP gets a share of its flows.
    merge paths on limit {NEXT_HOPS_MAX};
}}
"""
        for family in families
    )
    return f"""# BIRD of {whose}, in a lab; written by `lab up` from the inventory.
log stderr all;
router id {router_id};

protocol device {{ scan time 10; }}
protocol bfd {{ }}
{kernels}"""


def _node(router: LabRouter, number: int, peer: Peering) -> str:
    """The session with a machine: it calls, and may announce its cluster's VIPs, nothing else."""
    own = ip_address(peer.router)
    vips = ", ".join(f"{vip}/{own.max_prefixlen}" for vip in peer.vips)
    more = f'\n    password "{peer.password}";' if peer.password else ""
    if peer.bfd:
        timing = f"interval {peer.bfd_interval_ms} ms; multiplier {peer.bfd_misses};"
        more += f"\n    bfd {{ {timing} }};"
    return f"""# {peer.machine}
protocol bgp {node_protocol(number)} {{
    local {own} as {router.asn};
    neighbor {peer.address} as {peer.asn};
    interface "{TO_NODES}";
    passive;  # a machine's own timers say how soon its session is back
    ttl security;{more}
{WAITS}
    ipv{own.version} {{
        import keep filtered;
        import filter {{
            if net !~ [ {vips} ] then reject "{peer.machine} may not announce ", net;
            # RFC 8326: whoever is about to go gets no flow that another can have.
            if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
            accept;
        }};
        export none;
    }};
}}
"""


def _families(addresses: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(f"ipv{ip_address(each).version}" for each in addresses))
