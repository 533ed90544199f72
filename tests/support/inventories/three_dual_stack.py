"""Three machines, whose VIPs are an IPv4 and an IPv6 address that move together."""

PAGES = {"host1": "one.example", "host2": "two.example", "host3": "three.example"}

web = (
    [
        (
            name,
            {
                "ssh_hostname": f"172.16.12.{60 + number}",
                "address6": f"fd61:1::{60 + number}",
                "priority": 102 - number,
                "page": page,
            },
        )
        for number, (name, page) in enumerate(PAGES.items(), start=1)
    ],
    {"vip": "172.16.12.254/16", "vip6": "fd61:1::254/64"},
)
