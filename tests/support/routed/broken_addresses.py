"""What may be broken of a routed cluster's addresses: what has them, answers there, or for them."""

from __future__ import annotations

import json

from tests.support.routed.routing_answers import (
    VIP,
    VIP6,
    Change,
    addresses,
    answered,
    carried,
    of_vip,
    replaced,
    without_vip,
)
from tests.support.snapshots import ROUTED, said

LINKS = json.loads(said(ROUTED, "host2", "addresses"))
OTHERS_MAC = next(link["address"] for link in LINKS if link["ifname"] == "eth0")

# As in broken_routing.
ADDRESS_CASES: dict[str, tuple[str, Change, set[str], str]] = {
    "vip on eth0": (
        "RT-11",
        addresses(lambda links: links["eth0"]["addr_info"].append(carried(VIP, 32))),
        set(),
        f"{VIP} is on eth0",
    ),
    "vip not on lo": ("RT-11", addresses(without_vip), set(), f"{VIP6} is not on lo"),
    "vip as a source": (
        "RT-11",
        addresses(lambda links: of_vip(links, VIP, scope="global")),
        set(),
        f"{VIP} on lo has the scope global, not host",
    ),
    "vip with a network": (
        "RT-11",
        addresses(lambda links: of_vip(links, VIP, prefixlen=24)),
        set(),
        f"{VIP} on lo has the prefix /24, not /32",
    ),
    "vip6 as a source": (
        "RT-11",
        addresses(lambda links: of_vip(links, VIP6, deprecated=False)),
        set(),
        f"{VIP6} on lo is not deprecated",
    ),
    "vip for a while": (
        "RT-11",
        addresses(lambda links: of_vip(links, VIP, valid_life_time=55)),
        set(),
        "goes from lo in 55 s",
    ),
    "vip in a network": (
        "RT-12",
        addresses(lambda links: links["eth0"]["addr_info"].append(carried("198.51.100.1", 24))),
        set(),
        "eth0 has 198.51.100.1/24",
    ),
    "another page": ("RT-13", replaced("page:vip", "one.ex", "nobody.ex"), set(), "nobody.ex"),
    "no answer": ("RT-13", answered("page:vip", "", 7), set(), "connection refused"),
    "another page over IPv6": (
        "RT-13",
        replaced("page6:vip", "one.ex", "nobody.ex"),
        set(),
        f"{VIP6}: 200, 'nobody.example'",
    ),
    "no answer over IPv6": (
        "RT-13",
        answered("page6:vip", "", 7),
        set(),
        f"{VIP6}: connection refused",
    ),
    "a neighbour answers": (
        "RT-18",
        lambda s: s.add("host1", "heard", f"arp {OTHERS_MAC}"),
        set(),
        f"{OTHERS_MAC} (eth0 of host2)",
    ),
    "a stranger answers": (
        "RT-18",
        lambda s: s.add("host1", "heard", "arp 02:00:00:00:00:99"),
        set(),
        "no machine of ours",
    ),
}
