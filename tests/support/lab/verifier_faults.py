"""Ways to break a machine for the verifier's self-test, each undone whatever happens.

A fault says which check has to fail and which others it explains: any other is a wrong alarm.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from lab.host import bridge
from lab.twin import Lab
from tests.support.lab.breaking import VIP, edited, forgotten, holds_vip, on, shell, stranger, until

NGINX_CONF = "/etc/nginx/nginx.conf"
KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
KEEPALIVED_STAGED = "/var/lib/tandem/keepalived/keepalived.conf"
SPEAKERS_NFT = "/etc/keepalived/vrrp.nft"

# What two machines that both think they are the MASTER explain: everybody sees something wrong.
SPLIT_BRAIN = {
    *("X-01", "X-02", "X-04", "X-05", "X-07", "X-08", "X-09", "X-10", "X-11", "X-21"),
    *("KA-06", "KA-09", "KA-10", "NET-02"),
}
STANDBY_GONE = {"X-21"}


Break = Callable[[Lab, ExitStack], None]


@dataclass(frozen=True)
class Fault:
    name: str
    expected: str
    inject: Break
    explained: set[str] = field(default_factory=set)
    data: tuple[str, ...] = ()


def _shell(host: str, inject: str, undo: str, wait: str = "") -> Break:
    def begin(lab: Lab, stack: ExitStack) -> None:
        stack.enter_context(shell(lab, host, inject, undo))
        if wait:
            until(lab, host, wait)

    return begin


def _edited(host: str, file: str, sed: str, after: str = "true") -> Break:
    def begin(lab: Lab, stack: ExitStack) -> None:
        stack.enter_context(edited(lab, host, file, sed, after))

    return begin


def _nginx(host: str, sed: str) -> Break:
    return _edited(host, NGINX_CONF, sed, "systemctl reload nginx")


def _keepalived(host: str, sed: str) -> Break:
    return _edited(host, KEEPALIVED_CONF, sed, "systemctl reload keepalived")


def _split(begin: Break) -> Break:
    """A fault after which host2 takes the VIP too."""

    def both(lab: Lab, stack: ExitStack) -> None:
        stack.enter_context(forgotten(lab))
        begin(lab, stack)
        holds_vip(lab, "host2")

    return both


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
    source = Path(__file__).with_name("wrong_time.py").read_text()
    begin = (
        "cat >/run/wrong_time.py; systemd-run --quiet --unit=wrong-time "
        "python3 /run/wrong_time.py 3"
    )
    stack.callback(on, lab, "host2", "systemctl stop wrong-time; rm /run/wrong_time.py")
    done = lab.ssh("host2", begin, input=source)
    assert done.returncode == 0, done.stderr
    until(lab, "host2", "ss -Hlun | grep -q ':123 '")


REAL = "$(readlink -f /usr/sbin/nginx)"
WRAPPER = (
    'printf \'#!/bin/sh\\n[ "$1" = -V ] || exec %s "$@"\\n%s -V 2>&1 | '
    f"sed s/--with-http_flv_module// >&2\\n' {REAL} {REAL} >/run/nginx-wrapper; "
    f"chmod 755 /run/nginx-wrapper; readlink /usr/sbin/nginx >/run/real-link; "
    "ln -sfn /run/nginx-wrapper /usr/sbin/nginx"
)
SWAPPED = f"b={REAL}; cp -a $b $b.copy; mv $b $b.old; mv $b.copy $b"
SECOND_MASTER = (
    "sed 's,/var/run/nginx/nginx.pid,/run/second.pid,; s,listen  .*;,listen 8081;,' "
    f"{NGINX_CONF} >/etc/nginx/second.conf; /usr/sbin/nginx -c /etc/nginx/second.conf"
)

FAULTS = (
    Fault(
        "nginx stopped",
        "NGX-10",
        _shell("host2", "systemctl stop nginx", "systemctl start nginx"),
        {"NGX-09", "KA-04", "KA-05", "KA-09"} | STANDBY_GONE,
    ),
    Fault(
        "nginx disabled",
        "NGX-09",
        _shell("host1", "systemctl disable -q nginx", "systemctl enable -q nginx"),
    ),
    Fault(
        "wrong page",
        "NGX-14",
        _edited("host1", "/usr/html/index.html", "s/master/other/"),
        {"X-10", "X-11"},
    ),
    Fault(
        "a flag missing in the binary",
        "NGX-02",
        _shell("host2", WRAPPER, "ln -sfn $(cat /run/real-link) /usr/sbin/nginx"),
        {"NGX-03"},
    ),
    Fault(
        "another version",
        "NGX-01",
        _shell(
            "host2",
            WRAPPER.replace("s/--with-http_flv_module//", "s,nginx/1,nginx/0,"),
            "ln -sfn $(cat /run/real-link) /usr/sbin/nginx",
        ),
        {"NGX-03", "X-16"},
    ),
    Fault(
        "binary replaced under the running master",
        "NGX-03",
        _shell("host1", SWAPPED, f"b={REAL}; mv $b.old $b"),
    ),
    Fault(
        "another binary in place, running",
        "NGX-21",
        _shell(
            "host2",
            f"b={REAL}; cp -a $b /run/nginx.true; cp -a $b $b.other; echo >>$b.other; "
            "mv $b.other $b; systemctl restart nginx",
            f"b={REAL}; cp -a /run/nginx.true $b.true; mv $b.true $b; systemctl restart nginx",
            "grep -qx 0 /run/tandem/failed",  # its trial is over
        ),
    ),
    Fault(
        "an upgrade that stopped half way",
        "NGX-03",
        _shell("host1", "touch /run/nginx/nginx.pid.oldbin", "rm /run/nginx/nginx.pid.oldbin"),
    ),
    Fault(
        "another nginx in the way",
        "NGX-05",
        _shell("host1", f"cp {REAL} /usr/local/sbin/nginx", "rm /usr/local/sbin/nginx"),
    ),
    Fault(
        "nginx.conf broken and not loaded",
        "NGX-06",
        _edited("host1", NGINX_CONF, "$ a nonsense;"),
    ),
    Fault(
        "nginx.conf changed and not loaded",
        "NGX-08",
        _edited("host1", NGINX_CONF, "$ a # changed"),
    ),
    Fault(
        "a line changed by hand", "NGX-07", _nginx("host2", "s/connections  4096/connections  512/")
    ),
    Fault(
        "a second master",
        "NGX-10",
        _shell(
            "host2",
            SECOND_MASTER,
            "kill $(cat /run/second.pid); rm /etc/nginx/second.conf",
        ),
        {"NGX-13", "SYS-03"},
    ),
    Fault(
        "another program on a web port",
        "NGX-11",
        _shell(
            "host1",
            "systemd-run --quiet --unit=other-web python3 -m http.server 443",
            "systemctl stop other-web",
            wait="ss -Hltn | grep -q ':443 '",
        ),
    ),
    Fault(
        "too few workers",
        "NGX-13",
        _nginx("host2", "s/^worker_processes .*/worker_processes 1;/"),
        {"NGX-07"},
    ),
    Fault(
        "workers run as root",
        "NGX-12",
        _nginx("host2", "s/^user .*/user root;/"),
        {"NGX-07"},
    ),
    Fault(
        "version shown",
        "NGX-16",
        _nginx("host2", "s/server_tokens .*/server_tokens on;/"),
        {"NGX-07"},
    ),
    Fault(
        "counters open to the world",
        "NGX-17",
        _nginx("host1", "s/allow  *127.0.0.1;/allow all;/"),
        {"NGX-07"},
    ),
    Fault(
        "nginx.conf readable by everybody",
        "NGX-20",
        _shell("host1", f"chmod 644 {NGINX_CONF}", f"chmod 640 {NGINX_CONF}"),
    ),
    Fault(
        "page unreadable for workers",
        "NGX-20",
        _shell("host2", "chmod 600 /usr/html/index.html", "chmod 644 /usr/html/index.html"),
        {"NGX-14", "X-21"},
    ),
    Fault(
        "keepalived stopped",
        "KA-01",
        _shell("host2", "systemctl stop keepalived", "systemctl start keepalived"),
        STANDBY_GONE,
    ),
    Fault(
        "keepalived disabled",
        "KA-01",
        _shell("host1", "systemctl disable -q keepalived", "systemctl enable -q keepalived"),
    ),
    Fault(
        "keepalived frozen",
        "KA-04",
        # Without the watch, which would have it restarted at once.
        _shell(
            "host2",
            "systemctl stop tandem-watch; pkill -STOP keepalived",
            "pkill -CONT keepalived; systemctl start tandem-watch",
        ),
        {"KA-05", "KA-06", "KA-09", "KA-10", "KA-18", "KA-21"} | STANDBY_GONE,
    ),
    Fault(
        "the watch stopped",
        "KA-21",
        _shell("host2", "systemctl stop tandem-watch", "systemctl start tandem-watch"),
    ),
    Fault(
        "the hand-over stopped",
        "HO-01",
        _shell("host2", "systemctl stop tandem-handover", "systemctl start tandem-handover"),
    ),
    Fault(
        "the hand-over's table gone, and nobody who loads it",
        "HO-02",
        _shell(
            "host1",
            "systemctl stop tandem-handover; nft delete table ip tandem_handover",
            "systemctl start tandem-handover",
        ),
        {"HO-01", "HO-06"},
    ),
    Fault(
        "everybody may answer for the VIP",
        "HO-03",
        _shell(
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
        _edited("host2", KEEPALIVED_CONF, "$ a nonsense_keyword 1"),
        {"X-12"},
    ),
    Fault(
        "keepalived.conf changed and not loaded",
        "KA-18",
        _edited("host2", KEEPALIVED_CONF, "s/^    priority  .*/    priority 90/"),
    ),
    Fault(
        "secret readable by everybody",
        "KA-20",
        _shell("host2", f"chmod 644 {KEEPALIVED_CONF}", f"chmod 640 {KEEPALIVED_CONF}"),
        {"SYS-08"},
    ),
    Fault(
        "the staged secret readable by everybody",
        "SYS-08",
        _shell("host1", f"chmod 644 {KEEPALIVED_STAGED}", f"chmod 640 {KEEPALIVED_STAGED}"),
    ),
    Fault(
        "a script writable by others",
        "KA-13",
        _shell(
            "host2",
            "chmod o+w /etc/keepalived/notify.sh",
            "chmod o-w /etc/keepalived/notify.sh",
        ),
        {"KA-02"},
    ),
    Fault(
        "not restarted when it dies",
        "KA-16",
        _shell(
            "host2",
            "f=/run/systemd/system/keepalived.service.d; mkdir -p $f; "
            "printf '[Service]\\nRestart=no\\n' >$f/zz.conf; systemctl daemon-reload",
            "rm -r /run/systemd/system/keepalived.service.d; systemctl daemon-reload",
        ),
    ),
    Fault(
        "the VIP without its label",
        "NET-01",
        _keepalived("host1", "s/ label eth0:0//"),
        {"X-06", "X-12"},
    ),
    Fault(
        "a second holder, added by hand",
        "X-01",
        _split(
            _shell(
                "host2",
                # Again and again: a keepalived that notices takes it away.
                "systemd-run --quiet --collect --unit=strange-holder sh -c 'while sleep 0.02; do "
                f"ip address replace {VIP}/16 dev eth0 label eth0:0; done'",
                "systemctl stop strange-holder; "
                f"ip address delete {VIP}/16 dev eth0 2>/dev/null || true",
                f"ip -4 address show dev eth0 | grep -q ' {VIP}/'",
            )
        ),
        SPLIT_BRAIN,
    ),
    Fault(
        "another VRID on one side",
        "X-04",
        _split(_keepalived("host2", "s/router_id  *61/router_id 62/")),
        SPLIT_BRAIN | {"X-12"},
    ),
    Fault(
        "configurations that differ",
        "X-12",
        _keepalived("host2", "s/interval  .*/interval 3/"),
    ),
    Fault("adverts blocked", "KA-09", _split(_adverts_blocked), SPLIT_BRAIN),
    Fault(
        "a stranger with our VRID",
        "X-18",
        _stranger,
    ),
    Fault(
        "strangers are heard",
        "SYS-04",
        _edited("host1", SPEAKERS_NFT, "s/@th,8,8 61/@th,8,8 62/", f"nft -f {SPEAKERS_NFT}"),
        {"KA-18"},
    ),
    Fault("host powered off", "HOST-01", _powered_off),
    Fault("cable pulled", "HOST-01", _unplugged),
    Fault(
        "a failed unit",
        "SYS-05",
        _shell(
            "host1",
            "systemd-run --quiet --unit=will-fail false; sleep 0.2",
            "systemctl reset-failed will-fail",
        ),
    ),
    Fault(
        "log rotation broken",
        "SYS-07",
        _edited("host1", "/etc/logrotate.d/nginx", "s/daily/dayly/; s/USR1/HUP/"),
    ),
    Fault(
        "time server silent", "TIME-01", lambda lab, stack: None, data=("ntp_server=172.16.0.99",)
    ),
    Fault("time server wrong", "TIME-01", _wrong_time, data=("ntp_server=172.16.12.62",)),
)
