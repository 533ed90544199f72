"""The recipe's two machines in two networks, with a VIP in each: one on eth0, one on eth1."""

PAGES = {"host1": "one.example", "host2": "two.example"}

web = (
    [
        (
            name,
            {
                "ssh_hostname": f"172.16.12.{60 + number}",
                "more_interfaces": {"eth1": f"10.20.0.{60 + number}"},
                "priority": 102 - number,
                "page": page,
            },
        )
        for number, (name, page) in enumerate(PAGES.items(), start=1)
    ],
    {"vip": "172.16.12.254/16", "more_vips": {"10.20.0.254/24": "host2"}},
)
