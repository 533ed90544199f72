"""What has to be true before a check can be asked at all: otherwise it is skipped, saying why."""

from __future__ import annotations

from verify.model import Across, Here


def nginx_installed(here: Here) -> str:
    return "" if here.machine.nginx_installed else "nginx is not installed (NGX-01)"


def nginx_running(here: Here) -> str:
    return "" if here.machine.nginx_masters else "nginx does not run (NGX-10)"


def nginx_configured(here: Here) -> str:
    if not here.machine.nginx_installed:
        return "nginx is not installed (NGX-01)"
    valid = here.machine.section("nginx_dump").status == 0
    return "" if valid else "nginx refuses its configuration (NGX-06)"


def others_reached(here: Here) -> str:
    return "" if here.others else "no other machine of the cluster was asked"


def keepalived_installed(here: Here) -> str:
    return "" if here.machine.keepalived_installed else "keepalived is not installed (KA-03)"


def keepalived_running(here: Here) -> str:
    active = here.machine.unit("keepalived").get("ActiveState") == "active"
    return "" if active else "keepalived does not run (KA-01)"


def keepalived_configured(here: Here) -> str:
    there = here.machine.section("keepalived_conf").status == 0
    return "" if there else "there is no keepalived.conf (KA-02)"


def two_reached(across: Across) -> str:
    count = len(across.machines)
    return "" if count > 1 else "fewer than two machines could be asked (HOST-01)"


def one_holder(across: Across) -> str:
    return "" if len(across.holders) == 1 else "not exactly one machine holds the VIP (X-01)"
