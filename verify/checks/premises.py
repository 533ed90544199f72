"""What has to be true before a check can be judged at all.

Otherwise it is skipped where the settings say that there is nothing to judge, and unknown where
something else is wrong first: its evidence is missing then, and the check that finds the cause is
named.
"""

from __future__ import annotations

from collections.abc import Callable

from settings import Node
from verify.checks.check import Across, Answer, Here, skipped, unknown
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


# --- of a machine ---

nginx_installed = _machine(lambda it: it.nginx_installed, "nginx is not installed", "NGX-01")
nginx_running = _machine(lambda it: it.nginx_masters, "nginx does not run", "NGX-10")
nginx_accepts = _machine(lambda it: it.nginx_accepts, "nginx refuses its configuration", "NGX-06")
keepalived_installed = _machine(
    lambda it: it.keepalived_installed, "keepalived is not installed", "KA-03"
)
keepalived_running = _machine(lambda it: it.keepalived_running, "keepalived does not run", "KA-01")
keepalived_configured = _machine(
    lambda it: it.keepalived_configured, "there is no keepalived.conf", "KA-02"
)
systemd = _machine(lambda it: it.systemd, "there is no systemd: services are init scripts")


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
keepalived_somewhere = _cluster(
    lambda across: any(machine.keepalived_running for machine in across.machines.values()),
    "keepalived runs on no machine",
    "KA-01",
)
# By a machine that could not be asked it may be held all the same.
vip_held = _cluster(
    lambda across: across.holders or across.silent, "the VIP is on no machine", "X-01"
)
one_holder = _cluster(
    lambda across: len(across.holders) == 1, "not exactly one machine holds the VIP", "X-01"
)
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
handover_in_cluster = _cluster(
    lambda across: across.cluster.preferred.handover and not across.cluster.preferred.classic,
    "it is switched off (handover), or this is the classic profile",
)
