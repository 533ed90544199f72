"""Three machines, each with another user to log in as: one that the cluster has, with sudo; one of
the machine's own, whose sudo wants a password; and one with doas, whose name a group has already.
SSH's own files are not here.
"""

web = (
    [
        ("one", {"ssh_hostname": "10.20.0.11", "priority": 103, "page": "one"}),
        (
            "two",
            {
                "ssh_hostname": "10.20.0.12",
                "ssh_port": 2222,
                "ssh_user": "bea",
                "_sudo_password": "not 'so' $secret",
                "priority": 102,
                "page": "two",
            },
        ),
        (
            "three",
            {
                "ssh_hostname": "10.20.0.13",
                "ssh_user": "operator",
                "ssh_password": "another",
                "_sudo": False,
                "_doas": True,
                "priority": 101,
                "page": "three",
            },
        ),
    ],
    {
        "vip": "10.20.0.100/24",
        "interface": "ens18",
        "ssh_user": "ann",
        "_sudo": True,
        "ssh_key": "~/.ssh/web",
        "ssh_known_hosts_file": "/nowhere/known_hosts",
        "ssh_config_file": "/nowhere/config",
    },
)
