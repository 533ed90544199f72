"""The benches' inventory: as many pairs as PAIRS says, each a cluster with its own VIP.

The first is the pair of inventory.py.
"""

import os


def _pair(index: int) -> tuple[list[tuple[str, dict[str, object]]], dict[str, object]]:
    network = f"172.16.{12 + index}"
    hosts = [
        (
            f"host{2 * index + number}",
            {
                "ssh_hostname": f"{network}.{60 + number}",
                "priority": 102 - number,
                "page": f"{page}{index}.wangej.com",
            },
        )
        for number, page in ((1, "master"), (2, "slaves"))
    ]
    return hosts, {"vip": f"{network}.254/16", "virtual_router_id": 61 + index}


# pyinfra makes a group of every list or tuple of hosts among this module's names.
globals().update({f"pair{index + 1}": _pair(index) for index in range(int(os.environ["PAIRS"]))})
