"""The recipe's two machines, each with an IPv6 address of its own, and one that moves along.

VIP6: empty where no IPv6 address is to move.
"""

import os

web = (
    [
        (
            "host1",
            {
                "ssh_hostname": "172.16.12.61",
                "address6": "fd61:1::61",
                "priority": 101,
                "page": "master.wangej.com",
            },
        ),
        (
            "host2",
            {
                "ssh_hostname": "172.16.12.62",
                "address6": "fd61:1::62",
                "priority": 100,
                "page": "slaves.wangej.com",
            },
        ),
    ],
    {
        "vip": "172.16.12.254/16",
        "vip6": "fd61:1::254/64" if os.environ.get("VIP6", "yes") else None,
    },
)
