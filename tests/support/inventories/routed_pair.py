"""Two machines that announce one address, of IPv4 and of IPv6, to two routers."""

PAGES = {"host1": "one.example", "host2": "two.example"}
PASSWORD = "what both sides know"

web = (
    [
        (
            name,
            {
                "ssh_hostname": f"172.16.12.{60 + number}",
                "address6": f"fd61:1::{60 + number}",
                "page": page,
            },
        )
        for number, (name, page) in enumerate(PAGES.items(), start=1)
    ],
    {
        "spread": "bgp",
        "vip": "198.51.100.80/32",
        "vip6": "2001:db8::80/128",
        "asn": 65010,
        "routers": [
            {"address": address, "asn": 64512, "password_command": ("echo", PASSWORD)}
            for address in ("172.16.12.1", "172.16.12.2", "fd61:1::1", "fd61:1::2")
        ],
        "ntp_server": "172.16.12.3",
    },
)
