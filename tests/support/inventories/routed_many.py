"""As many machines as MACHINES says, eight by default, that announce one address to two routers."""

import os

MACHINES = int(os.environ.get("MACHINES", "8"))

web = (
    [
        (
            f"host{number}",
            {
                "ssh_hostname": f"172.16.12.{60 + number}",
                "address6": f"fd61:1::{60 + number}",
                "page": f"page {number}",
            },
        )
        for number in range(1, MACHINES + 1)
    ],
    {
        "spread": "bgp",
        "vip": "198.51.100.80/32",
        "vip6": "2001:db8::80/128",
        "asn": 65010,
        "routers": [
            {"address": address, "asn": 64512, "password_command": ("echo", "known to both")}
            for address in ("172.16.12.1", "172.16.12.2", "fd61:1::1", "fd61:1::2")
        ],
        "ntp_server": "172.16.12.3",
    },
)
