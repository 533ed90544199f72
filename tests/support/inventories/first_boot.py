"""Two machines that serve the same, for a comparison of all that is on them."""

web = (
    [
        ("host1", {"ssh_hostname": "172.16.12.61", "priority": 101, "page": "the page"}),
        ("host2", {"ssh_hostname": "172.16.12.62", "priority": 100, "page": "the page"}),
    ],
    {
        "vip": "172.16.12.254/16",
        "nginx_version": "1.26.3",
        "sites": [{"server_names": ["other.test"], "page": "another page"}],
    },
)
