"""The recipe's two machines without systemd: PID 1 is SysV's init."""

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
    {"vip": "172.16.12.254/16", "lab_base": "bookworm-sysv"},
)
