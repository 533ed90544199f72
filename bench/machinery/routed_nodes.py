"""The benches' routed cluster: twice as many machines as PAIRS says, all with one address."""

import os

routed = (
    [
        (f"host{number}", {"ssh_hostname": f"172.16.12.{60 + number}", "page": f"page {number}"})
        for number in range(1, 2 * int(os.environ["PAIRS"]) + 1)
    ],
    {
        "spread": "bgp",
        "vip": "198.51.100.80/32",
        "asn": 65010,
        "routers": [{"address": "172.16.12.1", "asn": 64512}],
        "ntp_server": "172.16.12.3",
    },
)
