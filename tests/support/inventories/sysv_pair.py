"""The recipe's two machines without systemd: PID 1 is SysV's init. With hooks, and a check of one's
own, which is good as long as a file is there that Debian brings and nobody needs."""

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
    {
        "vip": "172.16.12.254/16",
        "lab_base": "bookworm-sysv",
        "hooks": "tests/support/hooks",
        "checks": {"app": {"command": "/usr/bin/test -e /etc/issue.net", "weight": 1}},
    },
)
