"""Your machines. A group that sets `vip` is a cluster: its machines share that one address.

Per machine: how SSH reaches it, its place in line (`priority`: the highest holds the VIP) and the
page it serves. Everything else has a default in group_data/all.py; a line here, or in
group_data/web.py (for the group `web`), overrides it.
"""

web = (
    [
        (
            "host1",
            {"ssh_hostname": "172.16.12.61", "priority": 101, "page": "master.wangej.com"},
        ),
        (
            "host2",
            {"ssh_hostname": "172.16.12.62", "priority": 100, "page": "slaves.wangej.com"},
        ),
    ],
    {"vip": "172.16.12.254/16"},
)
