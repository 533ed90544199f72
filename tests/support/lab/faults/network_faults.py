"""What may be wrong with keepalived, the VIP, the network and the machine itself."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

from lab.host import bridge
from lab.twin import Lab
from tests.support.lab.breaking import VIP, on, stranger, until
from tests.support.lab.faults.verifier_faults import (
    KEEPALIVED_CONF,
    STANDBY_GONE,
    Fault,
    by_edit,
    by_keepalived_conf,
    by_shell,
    splitting,
)

KEEPALIVED_STAGED = "/var/lib/tandem/keepalived/keepalived.conf"
SPEAKERS_NFT = "/etc/keepalived/vrrp.nft"

# What two machines that both think they are the MASTER explain: everybody sees something wrong.
SPLIT_BRAIN = {
    *("X-01", "X-02", "X-04", "X-05", "X-07", "X-08", "X-09", "X-10", "X-11", "X-21"),
    *("KA-06", "KA-09", "KA-10", "NET-02"),
}


def _adverts_blocked(lab: Lab, stack: ExitStack) -> None:
    """Adverts no longer reach host2; everything else does. Its own tools may not include nft."""

    def nft(*rules: str) -> None:
        inside = bridge.inside(lab.machine("host2").netns)
        subprocess.run([*inside, "nft", "; ".join(rules)], check=True)

    stack.callback(nft, "delete table inet deaf")
    nft(
        "add table inet deaf",
        "add chain inet deaf in { type filter hook input priority 0; }",
        "add rule inet deaf in ip protocol 112 drop",
    )


def _powered_off(lab: Lab, stack: ExitStack) -> None:
    stack.callback(lab.power_on, "host2")
    lab.power_off("host2")


def _unplugged(lab: Lab, stack: ExitStack) -> None:
    stack.callback(lab.plug, "host2")
    lab.unplug("host2")


def _stranger(lab: Lab, stack: ExitStack) -> None:
    # Who was turned away is remembered for a minute.
    for host in ("host1", "host2"):
        stack.callback(on, lab, host, "nft flush set ip tandem_vrrp strangers")
    stack.enter_context(stranger(lab))


def _wrong_time(lab: Lab, stack: ExitStack) -> None:
    """host2 plays a time server that is 3 s ahead."""
    source = Path(__file__).parents[2].joinpath("clients", "wrong_time.py").read_text()
    begin = (
        "cat >/run/wrong_time.py; systemd-run --quiet --unit=wrong-time "
        "python3 /run/wrong_time.py 3"
    )
    stack.callback(on, lab, "host2", "systemctl stop wrong-time; rm /run/wrong_time.py")
    done = lab.ssh("host2", begin, input=source)
    assert done.returncode == 0, done.stderr
    until(lab, "host2", "ss -Hlun | grep -q ':123 '")


NETWORK_FAULTS = (
    Fault(
        "keepalived stopped",
        "KA-01",
        by_shell("host2", "systemctl stop keepalived", "systemctl start keepalived"),
        STANDBY_GONE,
    ),
    Fault(
        "keepalived disabled",
        "KA-01",
        by_shell("host1", "systemctl disable -q keepalived", "systemctl enable -q keepalived"),
    ),
    Fault(
        "keepalived frozen",
        "KA-04",
        # Without the watch, which would have it restarted at once.
        by_shell(
            "host2",
            "systemctl stop tandem-watch; pkill -STOP keepalived",
            "pkill -CONT keepalived; systemctl start tandem-watch",
        ),
        {"KA-05", "KA-06", "KA-09", "KA-10", "KA-18", "KA-21"} | STANDBY_GONE,
    ),
    Fault(
        "the watch stopped",
        "KA-21",
        by_shell("host2", "systemctl stop tandem-watch", "systemctl start tandem-watch"),
    ),
    Fault(
        "the hand-over stopped",
        "HO-01",
        by_shell("host2", "systemctl stop tandem-handover", "systemctl start tandem-handover"),
    ),
    Fault(
        "the hand-over's table gone, and nobody who loads it",
        "HO-02",
        by_shell(
            "host1",
            "systemctl stop tandem-handover; nft delete table ip tandem_handover",
            "systemctl start tandem-handover",
        ),
        {"HO-01", "HO-06"},
    ),
    Fault(
        "everybody may answer for the VIP",
        "HO-03",
        by_shell(
            "host2",
            # The service would mend it.
            "systemctl stop tandem-handover; sysctl -qw net.ipv4.conf.eth0.arp_ignore=0",
            "systemctl start tandem-handover",
        ),
        {"HO-01"},
    ),
    Fault(
        "keepalived.conf broken and not loaded",
        "KA-02",
        by_edit("host2", KEEPALIVED_CONF, "$ a nonsense_keyword 1"),
        {"X-12"},
    ),
    Fault(
        "keepalived.conf changed and not loaded",
        "KA-18",
        by_edit("host2", KEEPALIVED_CONF, "s/^    priority  .*/    priority 90/"),
    ),
    Fault(
        "secret readable by everybody",
        "KA-20",
        by_shell("host2", f"chmod 644 {KEEPALIVED_CONF}", f"chmod 640 {KEEPALIVED_CONF}"),
        {"SYS-08"},
    ),
    Fault(
        "the staged secret readable by everybody",
        "SYS-08",
        by_shell("host1", f"chmod 644 {KEEPALIVED_STAGED}", f"chmod 640 {KEEPALIVED_STAGED}"),
    ),
    Fault(
        "a script writable by others",
        "KA-13",
        by_shell(
            "host2",
            "chmod o+w /etc/keepalived/notify.sh",
            "chmod o-w /etc/keepalived/notify.sh",
        ),
        {"KA-02"},
    ),
    Fault(
        "not restarted when it dies",
        "KA-16",
        by_shell(
            "host2",
            "f=/run/systemd/system/keepalived.service.d; mkdir -p $f; "
            "printf '[Service]\\nRestart=no\\n' >$f/zz.conf; systemctl daemon-reload",
            "rm -r /run/systemd/system/keepalived.service.d; systemctl daemon-reload",
        ),
    ),
    Fault(
        "the VIP without its label",
        "NET-01",
        by_keepalived_conf("host1", "s/ label eth0:0//"),
        {"X-06", "X-12"},
    ),
    Fault(
        "a second holder, added by hand",
        "X-01",
        splitting(
            by_shell(
                "host2",
                # Again and again: a keepalived that notices takes it away.
                "systemd-run --quiet --collect --unit=strange-holder sh -c 'while sleep 0.02; do "
                f"ip address replace {VIP}/32 dev eth0 scope host label eth0:0; done'",
                "systemctl stop strange-holder; "
                f"ip address delete {VIP}/32 dev eth0 2>/dev/null || true",
                f"ip -4 address show dev eth0 | grep -q ' {VIP}/'",
            )
        ),
        SPLIT_BRAIN,
    ),
    Fault(
        "another VRID on one side",
        "X-04",
        splitting(by_keepalived_conf("host2", "s/router_id  *61/router_id 62/")),
        SPLIT_BRAIN | {"X-12"},
    ),
    Fault(
        "configurations that differ",
        "X-12",
        by_keepalived_conf("host2", "s/interval  .*/interval 3/"),
    ),
    Fault("adverts blocked", "KA-09", splitting(_adverts_blocked), SPLIT_BRAIN),
    Fault(
        "a stranger with our VRID",
        "X-18",
        _stranger,
    ),
    Fault(
        "strangers are heard",
        "SYS-04",
        by_edit("host1", SPEAKERS_NFT, "s/@th,8,8 61/@th,8,8 62/", f"nft -f {SPEAKERS_NFT}"),
        {"KA-18"},
    ),
    Fault("host powered off", "HOST-01", _powered_off),
    Fault("cable pulled", "HOST-01", _unplugged),
    Fault(
        "a failed unit",
        "SYS-05",
        by_shell(
            "host1",
            "systemd-run --quiet --unit=will-fail false; sleep 0.2",
            "systemctl reset-failed will-fail",
        ),
    ),
    Fault(
        "log rotation broken",
        "SYS-07",
        by_edit("host1", "/etc/logrotate.d/nginx", "s/daily/dayly/; s/USR1/HUP/"),
    ),
    Fault(
        "time server silent",
        "TIME-01",
        lambda lab, stack: None,
        # The clocks are then compared with the controller's, too inaccurately where that is busy.
        {"X-17"},
        data=("ntp_server=172.16.0.99",),
    ),
    Fault("time server wrong", "TIME-01", _wrong_time, data=("ntp_server=172.16.12.62",)),
)
