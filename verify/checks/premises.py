"""What has to be true before a check can be asked at all: otherwise it is skipped, saying why."""

from __future__ import annotations

from verify.checks.check import Across, Here


def nginx_installed(here: Here) -> str:
    return "" if here.machine.nginx_installed else "nginx is not installed (NGX-01)"


def nginx_running(here: Here) -> str:
    return "" if here.machine.nginx_masters else "nginx does not run (NGX-10)"


def nginx_configured(here: Here) -> str:
    if not here.machine.nginx_installed:
        return "nginx is not installed (NGX-01)"
    valid = here.machine.output("nginx_dump").status == 0
    return "" if valid else "nginx refuses its configuration (NGX-06)"


def systemd(here: Here) -> str:
    return "" if here.machine.systemd else "there is no systemd: services are init scripts"


def own_paths(here: Here) -> str:
    return "" if here.node.page_path == "/" else "every path is proxied"


def cached(here: Here) -> str:
    return "" if here.node.cache else "there is no cache"


def others_reached(here: Here) -> str:
    return "" if here.others else "no other machine of the cluster was asked"


def keepalived_installed(here: Here) -> str:
    return "" if here.machine.keepalived_installed else "keepalived is not installed (KA-03)"


def keepalived_running(here: Here) -> str:
    return "" if here.machine.keepalived_running else "keepalived does not run (KA-01)"


def keepalived_configured(here: Here) -> str:
    there = here.machine.output("keepalived_conf").status == 0
    return "" if there else "there is no keepalived.conf (KA-02)"


def classic(here: Here) -> str:
    return "" if here.node.classic else "VRRPv3 has no shared secret"


def watched(here: Here) -> str:
    return "the classic profile has no watch" if here.node.classic else ""


def tls_on(here: Here) -> str:
    return "" if here.node.tls else "TLS is off (tls_certificate)"


def tls_in_cluster(across: Across) -> str:
    return "" if across.cluster.preferred.tls else "TLS is off (tls_certificate)"


def sites_set(across: Across) -> str:
    return "" if across.cluster.preferred.sites else "there are no sites (sites)"


def handed_over(here: Here) -> str:
    return "the classic profile has no hand-over" if here.node.classic else ""


def scraped(here: Here) -> str:
    return "" if here.node.metrics else "metrics = False"


def dual(here: Here) -> str:
    return "" if here.cluster.vip6 else "there is no vip6"


def handover_in_cluster(across: Across) -> str:
    node = across.cluster.preferred
    on = node.handover and not node.classic
    return "" if on else "it is switched off (handover), or this is the classic profile"


def two_reached(across: Across) -> str:
    count = len(across.machines)
    return "" if count > 1 else "fewer than two machines could be asked (HOST-01)"


def keepalived_somewhere(across: Across) -> str:
    runs = any(machine.keepalived_running for machine in across.machines.values())
    return "" if runs else "keepalived runs on no machine (KA-01)"


def nginx_somewhere(across: Across) -> str:
    there = any(machine.nginx_installed for machine in across.machines.values())
    return "" if there else "nginx is installed on no machine (NGX-01)"


def held(across: Across) -> str:
    """Of the machines that could be asked; when none could, the VIP may be held all the same."""
    nowhere = across.machines and not across.holders
    return "the VIP is on no machine (X-01)" if nowhere else ""


def one_holder(across: Across) -> str:
    return "" if len(across.holders) == 1 else "not exactly one machine holds the VIP (X-01)"
