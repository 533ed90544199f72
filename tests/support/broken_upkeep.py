"""What may be wrong with machines themselves, their network and their part in a takeover: for each
check the fault, and the checks that it explains beside."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.support.snapshots import BOTH, Spoiled
from verify.checks.check import Outcome

VIP = "172.16.12.254"
OWNS = OWN, _ = "172.16.12.61", "172.16.12.62"
NOT_SET = "eth0/promote_secondaries:0"
Break = Callable[[Spoiled], Spoiled]


def outcome_of(spoiled: Spoiled, check: str, host: str = "host1") -> tuple[Outcome, str]:
    """What one check finds on one machine, or across the cluster."""
    (found,) = (
        finding for finding in spoiled.judge(check).findings if finding.host in (host, None)
    )
    return found.outcome, found.answer.actual


def now(spoiled: Spoiled) -> float:
    """When host1 was asked, in seconds since the epoch."""
    return float(spoiled.says("host1", "system").splitlines()[-1])


def own_address(host: str, **values: Any) -> Break:
    """The machine's own address as the kernel has it, with other values."""

    def change(link: dict[str, Any]) -> None:
        link["addr_info"][_place_of_own(link)].update(values)

    return lambda spoiled: spoiled.link(host, change)


def own_address_gone(host: str) -> Break:
    return lambda spoiled: spoiled.link(
        host, lambda link: link["addr_info"].pop(_place_of_own(link))
    )


def own_address_behind_vip(host: str) -> Break:
    """The VIP has the own address's prefix, and was there before it."""

    def change(link: dict[str, Any]) -> None:
        own = link["addr_info"][_place_of_own(link)]
        vip = own | {"local": VIP, "label": "eth0:0"}
        own["secondary"] = True
        others = [each for each in link["addr_info"] if each["local"] != VIP]
        link["addr_info"] = [vip, *others]

    return lambda spoiled: spoiled.link(host, change)


def _place_of_own(link: dict[str, Any]) -> int:
    """Not always the first: an address of the host's scope comes before it."""
    known = [each["local"] for each in link["addr_info"]]
    return next(place for place, ip in enumerate(known) if ip in OWNS)


def snippet(host: str, text: str) -> Break:
    """One more file that a machine's nginx reads."""
    file = f"\n# configuration file /etc/nginx/conf.d/more.conf:\n{text}\n"
    return lambda spoiled: spoiled.answer(
        host, "nginx_dump", spoiled.says(host, "nginx_dump") + file
    )


def moves(host: str, ages_s: list[float]) -> Break:
    """keepalived became MASTER so many seconds ago, each time."""

    def change(spoiled: Spoiled) -> Spoiled:
        at = [now(spoiled) - age for age in ages_s]
        return logged(host, *((each, "(VI_1) Entering MASTER STATE") for each in at))(spoiled)

    return change


def logged(host: str, *lines: tuple[float, str]) -> Break:
    """What keepalived has said, and when, in seconds since the epoch."""

    def change(spoiled: Spoiled) -> Spoiled:
        said = [f"{at:.6f} {host} Keepalived_vrrp[99]: {text}" for at, text in lines]
        kept = spoiled.says(host, "keepalived_log")
        return spoiled.answer(host, "keepalived_log", "\n".join([kept, *said]))

    return change


def falls_later(spoiled: Spoiled) -> Spoiled:
    for host in BOTH:
        spoiled.replace(host, "keepalived_conf", "fall      2", "fall      9")
    return spoiled


def unrotated(spoiled: Spoiled) -> Spoiled:
    lines = spoiled.says("host2", "logs").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("at "))
    lines[first] = "at 01/Nov/2026:00:00:00 +0000"
    return spoiled.answer("host2", "logs", "\n".join(lines))


def other_mtu(spoiled: Spoiled) -> Spoiled:
    return spoiled.link("host2", lambda link: link.update(mtu=1400))


def full(spoiled: Spoiled) -> Spoiled:
    """95 % of /run, which is on a file system of its own."""
    rows = spoiled.says("host1", "disks").splitlines()
    for number, row in enumerate(rows):
        size, *rest = row.split()
        if rest[-1:] == ["/run"] and size.isdigit():
            used = int(size) * 95 // 100
            rows[number] = " ".join([size, f"{used}", f"{int(size) - used}", *rest[2:]])
    return spoiled.answer("host1", "disks", "\n".join(rows))


def cloned(spoiled: Spoiled) -> Spoiled:
    return spoiled.answer("host2", "identity", spoiled.says("host1", "identity"))


def same_mac(spoiled: Spoiled) -> Spoiled:
    links = json.loads(spoiled.says("host1", "addresses"))
    mac = next(link["address"] for link in links if link["ifname"] == "eth0")
    return spoiled.link("host2", lambda link: link.update(address=mac))


UPKEEP: dict[str, tuple[Break, set[str]]] = {
    "X-13": (snippet("host2", "deny all;"), set()),
    "X-19": (other_mtu, set()),
    "X-22": (cloned, set()),
    "KA-11": (moves("host1", [9, 6, 4, 1]), set()),
    "KA-17": (falls_later, set()),
    "NET-04": (
        lambda s: s.replace("host1", "routes", f'"prefsrc":"{OWN}"', f'"prefsrc":"{VIP}"'),
        set(),
    ),
    "NET-05": (own_address("host2", deprecated=True), set()),
    "NET-08": (
        lambda s: s.replace("host2", "promote_secondaries", "eth0/promote_secondaries:1", NOT_SET),
        set(),
    ),
    "NET-07": (own_address_behind_vip("host1"), set()),
    "NET-06": (
        lambda s: s.answer("host2", "vip_files", f"/etc/network/interfaces:    address {VIP}/16"),
        set(),
    ),
    "SYS-06": (full, set()),
    "SYS-09": (unrotated, set()),
    "SYS-10": (
        lambda s: s.replace("host1", "rotation_run", "ActiveState=active", "ActiveState=inactive"),
        set(),
    ),
}
