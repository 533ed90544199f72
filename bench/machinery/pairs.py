"""As many pairs as PAIRS says, each a cluster with a VIP of its own: what the benches measure on.

The first is inventory.py's own pair, so that a single one is what everybody tries first.
"""

import os


def _pair(place: int) -> tuple[list[tuple[str, dict[str, object]]], dict[str, object]]:
    network = f"172.16.{12 + place}"
    return (
        [
            (
                f"host{2 * place + 1}",
                {
                    "ssh_hostname": f"{network}.61",
                    "priority": 101,
                    "page": f"master{place}.wangej.com",
                },
            ),
            (
                f"host{2 * place + 2}",
                {
                    "ssh_hostname": f"{network}.62",
                    "priority": 100,
                    "page": f"slaves{place}.wangej.com",
                },
            ),
        ],
        {"vip": f"{network}.254/16", "virtual_router_id": 61 + place},
    )


# pyinfra takes every list and tuple of hosts among this module's names for a group.
globals().update({f"pair{place + 1}": _pair(place) for place in range(int(os.environ["PAIRS"]))})
