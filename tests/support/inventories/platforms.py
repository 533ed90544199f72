"""What the recipe's pair is not: three machines of two Debians with two VIPs, each on a machine of
its own, and an IPv6 address that moves along; and a second cluster on the same network, of Debian
13 alone, whose VIP is IPv6 alone and stays where it is, with hooks and a check of one's own.

MIXED: how many machines of the first are in it, two to five, for some that join or leave.
"""

import os

_bases = ("bookworm", "trixie", "trixie", "bookworm", "trixie")[: int(os.environ.get("MIXED", 3))]

mixed = (
    [
        (
            f"mixed{place}",
            {
                "ssh_hostname": f"172.16.12.6{place}",
                "address6": f"fd61:1::6{place}",
                "priority": 104 - place,
                "page": f"mixed{place}.wangej.com",
                "lab_base": base,
            },
        )
        for place, base in enumerate(_bases, start=1)
    ],
    {
        "vip": "172.16.12.254/16",
        "vip6": "fd61:1::254/64",
        "more_vips": {"172.16.12.253/16": "mixed2"},
    },
)

newest = (
    [
        (
            f"newest{place}",
            {
                "ssh_hostname": f"172.16.12.7{place}",
                "address6": f"fd61:1::7{place}",
                "priority": 104 - place,
                "page": f"newest{place}.wangej.com",
                "lab_base": "trixie",
            },
        )
        for place in (1, 2)
    ],
    {
        "vip": "fd61:1::253/64",
        "virtual_router_id": 71,
        "preempt": False,
        "hooks": "tests/support/hooks",
        "checks": {"app": {"command": "/usr/bin/test -e /etc/issue.net", "weight": 1}},
        "ntp_server": "172.16.0.1",
        "smtp_server": "172.16.0.1",
    },
)
