"""What has to be true before a check can be asked at all: otherwise it is skipped, saying why."""

from __future__ import annotations

from collections.abc import Callable

from verify.checks.check import Across, Here

# Why a check cannot be asked here, or "" when it can.
HostPremise = Callable[[Here], str]
ClusterPremise = Callable[[Across], str]


def _machine(holds: Callable[[Here], object], otherwise: str) -> HostPremise:
    return lambda here: "" if holds(here) else otherwise


def _cluster(holds: Callable[[Across], object], otherwise: str) -> ClusterPremise:
    return lambda across: "" if holds(across) else otherwise


# --- of a machine ---

nginx_installed = _machine(
    lambda here: here.machine.nginx_installed, "nginx is not installed (NGX-01)"
)
nginx_running = _machine(lambda here: here.machine.nginx_masters, "nginx does not run (NGX-10)")
keepalived_installed = _machine(
    lambda here: here.machine.keepalived_installed, "keepalived is not installed (KA-03)"
)
keepalived_running = _machine(
    lambda here: here.machine.keepalived_running, "keepalived does not run (KA-01)"
)
keepalived_configured = _machine(
    lambda here: here.machine.output("keepalived_conf").status == 0,
    "there is no keepalived.conf (KA-02)",
)
systemd = _machine(
    lambda here: here.machine.systemd, "there is no systemd: services are init scripts"
)
others_reached = _machine(
    lambda here: here.others, "no other machine of the cluster could be asked"
)


def nginx_configured(here: Here) -> str:
    """nginx is installed and accepts its configuration."""
    if not here.machine.nginx_installed:
        return nginx_installed(here)
    valid = here.machine.output("nginx_dump").status == 0
    return "" if valid else "nginx refuses its configuration (NGX-06)"


# --- of a node's settings ---

classic_profile = _machine(lambda here: here.node.classic, "VRRPv3 has no shared secret")
has_watch = _machine(lambda here: not here.node.classic, "the classic profile has no watch")
has_handover = _machine(lambda here: not here.node.classic, "the classic profile has no hand-over")
has_tls = _machine(lambda here: here.node.tls, "TLS is off (tls_certificate)")
has_cache = _machine(lambda here: here.node.cache, "there is no cache")
has_metrics = _machine(lambda here: here.node.metrics, "metrics = False")
has_vip6 = _machine(lambda here: here.cluster.vip6, "there is no vip6")
has_own_paths = _machine(lambda here: here.node.page_path == "/", "every path is proxied")

# --- of a cluster ---

two_reached = _cluster(
    lambda across: len(across.machines) > 1, "fewer than two machines could be asked (HOST-01)"
)
nginx_somewhere = _cluster(
    lambda across: any(machine.nginx_installed for machine in across.machines.values()),
    "nginx is installed on no machine (NGX-01)",
)
keepalived_somewhere = _cluster(
    lambda across: any(machine.keepalived_running for machine in across.machines.values()),
    "keepalived runs on no machine (KA-01)",
)
# When no machine could be asked, the VIP may be held all the same.
vip_held = _cluster(
    lambda across: across.holders or not across.machines, "the VIP is on no machine (X-01)"
)
one_holder = _cluster(
    lambda across: len(across.holders) == 1, "not exactly one machine holds the VIP (X-01)"
)
tls_in_cluster = _cluster(
    lambda across: across.cluster.preferred.tls, "TLS is off (tls_certificate)"
)
sites_in_cluster = _cluster(
    lambda across: across.cluster.preferred.sites, "there are no sites (sites)"
)
handover_in_cluster = _cluster(
    lambda across: across.cluster.preferred.handover and not across.cluster.preferred.classic,
    "it is switched off (handover), or this is the classic profile",
)
