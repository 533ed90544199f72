"""What has to be true before a check can be judged at all.

Otherwise it is skipped where the settings say that there is nothing to judge, and unknown where
something else is wrong first: its evidence is missing then, and the check that finds the cause is
named.
"""

from __future__ import annotations

from collections.abc import Callable

from settings import Node
from verify.checks.check import Across, Answer, Here, skipped, unknown
from verify.observe.routing.asked_routers import questions
from verify.read.machine_view import MachineView

# The answer where a check cannot be judged, None where it can.
HostPremise = Callable[[Here], Answer | None]
ClusterPremise = Callable[[Across], Answer | None]


def _otherwise(reason: str, because: str) -> Answer:
    return unknown(f"{reason} ({because})", because) if because else skipped(reason)


def _machine(
    holds: Callable[[MachineView], object], otherwise: str, because: str = ""
) -> HostPremise:
    return lambda here: None if holds(here.machine) else _otherwise(otherwise, because)


def _node(holds: Callable[[Node], object], otherwise: str) -> HostPremise:
    return lambda here: None if holds(here.node) else skipped(otherwise)


def _cluster(
    holds: Callable[[Across], object], otherwise: str, because: str = ""
) -> ClusterPremise:
    return lambda across: None if holds(across) else _otherwise(otherwise, because)


# --- of the profile ---

_EVERYWHERE = "every machine has the VIP and announces it: nothing elects a holder (spread)"
elects_holder = _node(lambda node: not node.routed, _EVERYWHERE)
one_has_vip = _cluster(lambda across: not across.cluster.routed, _EVERYWHERE)
announces_vip = _node(lambda node: node.routed, 'nothing is announced (spread = "vrrp")')
all_have_vip = _cluster(
    lambda across: across.cluster.routed, 'nothing is announced (spread = "vrrp")'
)


def _of_election(premise: ClusterPremise) -> ClusterPremise:
    """Where a holder is elected at all."""
    return lambda across: one_has_vip(across) or premise(across)


def _of_keepalived(premise: HostPremise) -> HostPremise:
    """Where there is a keepalived at all: a routed cluster has none."""
    return lambda here: elects_holder(here) or premise(here)


# --- of a machine ---

nginx_installed = _machine(lambda it: it.nginx_installed, "nginx is not installed", "NGX-01")
nginx_running = _machine(lambda it: it.nginx_masters, "nginx does not run", "NGX-10")
nginx_accepts = _machine(lambda it: it.nginx_accepts, "nginx refuses its configuration", "NGX-06")
keepalived_installed = _of_keepalived(
    _machine(lambda it: it.keepalived_installed, "keepalived is not installed", "KA-03")
)
keepalived_running = _of_keepalived(
    _machine(lambda it: it.keepalived_running, "keepalived does not run", "KA-01")
)
keepalived_configured = _of_keepalived(
    _machine(lambda it: it.keepalived_configured, "there is no keepalived.conf", "KA-02")
)
bird_installed = _machine(lambda it: it.bird_installed, "BIRD is not installed", "RT-01")
bird_running = _machine(lambda it: it.bird_running, "BIRD does not run", "RT-01")
bird_configured = _machine(lambda it: it.bird_configured, "there is no bird.conf", "RT-02")
systemd = _machine(lambda it: it.systemd, "there is no systemd: services are init scripts")


def rules_loaded(here: Here) -> Answer | None:
    """Whoever loads the rules about clients is there: keepalived's unit. (A routed cluster has
    none, and is judged all the same.)"""
    return None if here.node.routed else keepalived_configured(here)


def nginx_configured(here: Here) -> Answer | None:
    """nginx is installed and accepts its configuration."""
    return nginx_installed(here) or nginx_accepts(here)


def others_reached(here: Here) -> Answer | None:
    """There is a machine to ask this one from."""
    if here.others:
        return None
    if here.silent:
        return unknown(f"{', '.join(here.silent)} could not be asked (HOST-01)", "HOST-01")
    return skipped("no other machine of the cluster is asked in this run")


# --- of a node's settings ---

classic_profile = _node(lambda node: node.classic, "VRRPv3 has no shared secret")
vip_in_group = _node(
    lambda node: node.classic, "in the default profile the VIP is in no other address's network"
)
has_watch = _node(lambda node: not node.classic, "the classic profile has no watch")
has_handover = _node(lambda node: not node.classic, "the classic profile has no hand-over")
has_mesh = _node(
    lambda node: node.routed and node.handover,
    "there is no mesh: it is switched off (handover), or one machine has the VIP at a time",
)
has_bfd = _node(
    lambda node: any(router.bfd for router in node.routers), "no router has BFD (routers)"
)
has_tls = _node(lambda node: node.tls, "TLS is off (tls_certificate)")
has_certificates = _node(lambda node: node.certificates, "TLS is off (tls_certificate)")
has_streams = _node(lambda node: node.streams, "nothing is passed on as it is (streams)")
has_cache = _node(lambda node: node.cache, "there is no cache")
has_metrics = _node(lambda node: node.metrics, "metrics = False")
limits_connections = _node(
    lambda node: node.limits_connections, "client_limits has no new_connections_per_s"
)
has_vip6 = _node(lambda node: node.vip6, "there is no vip6")
has_own_checks = _node(lambda node: node.checks, "there are no checks of one's own (checks)")
has_own_paths = _node(lambda node: node.page_path == "/", "every path is proxied")

# --- of a cluster ---

routers_are_asked = _cluster(
    lambda across: questions(across.cluster), "no router can be asked (view_command in routers)"
)

two_reached = _cluster(
    lambda across: len(across.machines) > 1, "fewer than two machines could be asked", "HOST-01"
)
nginx_somewhere = _cluster(
    lambda across: any(machine.nginx_installed for machine in across.machines.values()),
    "nginx is installed on no machine",
    "NGX-01",
)
nginx_accepted_everywhere = _cluster(
    lambda across: all(
        machine.nginx_accepts for machine in across.machines.values() if machine.nginx_installed
    ),
    "a machine's nginx refuses its configuration",
    "NGX-06",
)
keepalived_somewhere = _of_election(
    _cluster(
        lambda across: any(machine.keepalived_running for machine in across.machines.values()),
        "keepalived runs on no machine",
        "KA-01",
    )
)
bird_somewhere = _cluster(
    lambda across: any(machine.bird_running for machine in across.machines.values()),
    "BIRD runs on no machine",
    "RT-01",
)
# By a machine that could not be asked it may be held all the same.
vip_held = _cluster(
    lambda across: across.holders or across.silent, "the VIP is on no machine", "X-01"
)
one_holder = _of_election(
    _cluster(
        lambda across: len(across.holders) == 1, "not exactly one machine holds the VIP", "X-01"
    )
)


def speaker_somewhere(across: Across) -> Answer | None:
    """What says where the VIP is runs on some machine."""
    return (bird_somewhere if across.cluster.routed else keepalived_somewhere)(across)


def vip_served(across: Across) -> Answer | None:
    """The VIP is on some machine; in a routed cluster it is on `lo`."""
    if not across.cluster.routed:
        return vip_held(across)
    vip = across.cluster.vip.ip
    if across.silent or any(machine.on_loopback(vip) for machine in across.machines.values()):
        return None
    return unknown("the VIP is on no machine (RT-11)", "RT-11")


tls_in_cluster = _cluster(
    lambda across: across.cluster.preferred.certificates, "TLS is off (tls_certificate)"
)
streams_in_cluster = _cluster(
    lambda across: any(each.is_tcp for each in across.cluster.preferred.streams),
    "no TCP is passed on as it is (streams)",
)
sites_in_cluster = _cluster(
    lambda across: across.cluster.preferred.contents,
    "no deploy brings files to serve (sites, paths)",
)
mesh_in_cluster = _cluster(
    lambda across: across.cluster.routed and across.cluster.preferred.handover,
    "there is no mesh: it is switched off (handover), or one machine has the VIP at a time",
)
handover_in_cluster = _cluster(
    lambda across: across.cluster.preferred.handover and not across.cluster.preferred.classic,
    "it is switched off (handover), or this is the classic profile",
)
