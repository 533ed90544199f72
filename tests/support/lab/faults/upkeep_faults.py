"""What may be wrong with a machine's disks, logs and addresses, and with its part in a takeover."""

from __future__ import annotations

from tests.support.lab.breaking import VIP
from tests.support.lab.faults.verifier_faults import (
    Fault,
    by_edit,
    by_keepalived_conf,
    by_nginx_conf,
    by_shell,
)

OWN = {"host1": "172.16.12.61", "host2": "172.16.12.62"}
TANDEM_RUN = "/run/tandem"
CONF_D = "/etc/nginx/conf.d"
DROP_IN = "/run/systemd/system/keepalived.service.d"


UPKEEP_FAULTS = (
    Fault(
        "keepalived may not use inotify",
        "KA-22",
        by_shell(
            "host2",
            f"mkdir -p {DROP_IN}; printf '[Service]\\nSystemCallFilter=~inotify_init1\\n' "
            f">{DROP_IN}/zz.conf; systemctl daemon-reload; systemctl restart keepalived",
            f"rm -r {DROP_IN}; systemctl daemon-reload; systemctl restart keepalived",
            "sleep 1",
        ),
    ),
    Fault(
        "the directory of the tracked files made anew",
        "KA-22",
        by_shell(
            "host2",
            f"mv {TANDEM_RUN} {TANDEM_RUN}.old; cp -a {TANDEM_RUN}.old {TANDEM_RUN}",
            f"rm -r {TANDEM_RUN}; mv {TANDEM_RUN}.old {TANDEM_RUN}",
        ),
    ),
    Fault(
        "more missed adverts",
        "KA-17",
        by_keepalived_conf("host2", "s/down_timer_adverts .*/down_timer_adverts 60/"),
        {"X-12"},
    ),
    Fault(
        "the VIP as the source",
        "NET-04",
        by_shell(
            "host1",
            f"ip route change 172.16.0.0/16 dev eth0 proto kernel scope link src {VIP}",
            f"ip route change 172.16.0.0/16 dev eth0 proto kernel scope link src {OWN['host1']}",
            f"ip route get 172.16.0.1 | grep -q 'src {VIP}'",
        ),
    ),
    Fault(
        "the own address behind the VIP",
        "NET-07",
        by_shell(
            "host1",
            f"ip address delete {OWN['host1']}/16 dev eth0; ip address add {VIP}/16 dev eth0; "
            f"ip address add {OWN['host1']}/16 brd + dev eth0; "
            "ip route replace default via 172.16.0.1 dev eth0",
            "was=$(sysctl -n net.ipv4.conf.eth0.promote_secondaries); "
            "sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1; "
            f"ip address delete {VIP}/16 dev eth0; systemctl restart keepalived; "
            "sleep 1; sysctl -qw net.ipv4.conf.eth0.promote_secondaries=$was",
            f"ip -o address show dev eth0 secondary | grep -q ' {OWN['host1']}/'",
        ),
        {"NET-01", "NET-04"},
    ),
    Fault(
        "an own address that is deprecated",
        "NET-05",
        by_shell(
            "host2",
            f"ip address change {OWN['host2']}/16 dev eth0 valid_lft 900 preferred_lft 0",
            f"ip address change {OWN['host2']}/16 dev eth0 valid_lft forever preferred_lft forever",
        ),
    ),
    Fault(
        "the VIP in a network manager's file",
        "NET-06",
        by_shell(
            "host2",
            "mkdir -p /etc/systemd/network; "
            f"echo Address={VIP}/16 >/etc/systemd/network/vip.network",
            "rm /etc/systemd/network/vip.network",
        ),
    ),
    Fault(
        "another MTU",
        "X-19",
        by_shell("host2", "ip link set eth0 mtu 1400", "ip link set eth0 mtu 1500"),
    ),
    Fault(
        "two machines of one name",
        "X-22",
        by_shell("host2", "hostname host1", "hostname host2"),
    ),
    Fault(
        "one more snippet",
        "X-13",
        by_shell(
            "host2",
            f"mkdir -p {CONF_D}; echo 'server {{ listen 127.0.0.1:8099; deny all; }}' "
            f">{CONF_D}/more.conf; systemctl reload nginx",
            f"rm {CONF_D}/more.conf; systemctl reload nginx",
        ),
    ),
    Fault(
        "another time-out",
        "X-13",
        by_nginx_conf("host2", "s/keepalive_timeout .*/keepalive_timeout 0;/"),
    ),
    Fault(
        "a disk that is full",
        "SYS-06",
        by_shell(
            "host2",
            "mount -t tmpfs -o size=2m tmpfs /var/tmp/nginx; "
            "head -c 1900k /dev/zero >/var/tmp/nginx/full",
            "umount /var/tmp/nginx",
        ),
    ),
    Fault(
        "a log that is not rotated",
        "SYS-09",
        by_edit(
            "host1",
            "/var/log/nginx/access.log",
            '1 i 10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1',
            "systemctl reload nginx",
        ),
    ),
    Fault(
        "nobody who starts logrotate",
        "SYS-10",
        by_shell("host1", "systemctl stop logrotate.timer", "systemctl start logrotate.timer"),
    ),
    Fault(
        "anybody may speak VRRP, and beat",
        "SYS-04",
        by_shell(
            "host2",
            # The service would mend both.
            "systemctl stop tandem-handover; nft insert rule ip tandem_vrrp ours accept; "
            "nft insert rule ip tandem_handover prerouting udp dport 7112 "
            "update @carries_1 { iifname timeout 1s } drop",
            "nft flush chain ip tandem_vrrp ours; systemctl reload keepalived; "
            "systemctl start tandem-handover",
        ),
        {"HO-01", "HO-02"},
    ),
)
