"""What breaks a machine, and what undoes it, as shell. Pure text: fault_injection.py runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from shlex import quote

from drills.control import fault_signs
from drills.control.fault_signs import Sign, with_children
from drills.control.self_undo import DIRECTORY
from settings import Node

# This machine's own processes, and not those of containers on it.
OURS = "--ns $$ --nslist pid"
MASTER = f"$(pgrep {OURS} -f '^nginx: master process')"
KEEPALIVED = f"$(pgrep {OURS} -o -x keepalived)"
# The machines' own interface to systemd or to init scripts; its verbs are systemctl's.
SERVICE = "/usr/lib/tandem/service"
START_NGINX = f"{SERVICE} start nginx"
START_KEEPALIVED = f"{SERVICE} start keepalived"
NGINX_CONF = "/etc/nginx/nginx.conf"
TABLE = "inet tandem_drill"
# More busy processes than CPUs, so that every other process has to wait for its turn.
HOGS_PER_CPU = 2
HOGS = f"{DIRECTORY}/hogs"


@dataclass(frozen=True)
class Fault:
    """`key` names it on the machine. It ends by itself after `lasts_s`, where that is not 0.

    `undo` is "" where nothing is left to undo then.

    Not `shown`: it is undone like the others, but is no fault. `sign`: how the machine shows that
    it has bitten; None where something else does. `lasting`: a reboot does not end it, and its
    `undo` may be run at any time. `rescue_s`: after so long the machine runs `undo` although a
    drill may still wait, because nobody may be able to reach it; 0 for the usual time, which is
    longer than drills take.
    """

    key: str
    label: str
    do: str
    undo: str = ""
    lasts_s: float = 0.0
    shown: bool = True
    lasting: bool = False
    rescue_s: float = 0.0
    sign: Sign | None = None


_MASTER_ENDED = fault_signs.ended("nginx's master", MASTER)
_ALL_OF_NGINX, _ALL_OF_KEEPALIVED = with_children(MASTER), with_children(KEEPALIVED)
_KEEPALIVED_ENDED = fault_signs.ended("keepalived", _ALL_OF_KEEPALIVED)
_ONE_WORKER = f"$(pgrep -P {MASTER} -f worker | head -n 1)"
_VRRP_CHILD = f"$(pgrep -x -P {KEEPALIVED} keepalived)"

NGINX_KILLED = Fault("nginx", "nginx dead", f"kill -9 {MASTER}", START_NGINX, sign=_MASTER_ENDED)
NGINX_FROZEN = Fault(
    "nginx",
    "nginx frozen",
    f"pkill -STOP {OURS} -f '^nginx: '",
    f"pkill -CONT {OURS} -f '^nginx: ' || true",
    sign=fault_signs.stopped("nginx", _ALL_OF_NGINX),
)
WORKER_KILLED = Fault(
    "worker",
    "a worker dead",
    f"kill -9 {_ONE_WORKER}",
    sign=fault_signs.ended("a worker of nginx", _ONE_WORKER),
)
KEEPALIVED_STOPPED = Fault(
    "keepalived",
    "keepalived stopped",
    f"{SERVICE} stop keepalived",
    START_KEEPALIVED,
    sign=_KEEPALIVED_ENDED,
)
KEEPALIVED_KILLED = Fault(
    "keepalived",
    "keepalived dead",
    f"pkill -9 {OURS} -x keepalived",
    START_KEEPALIVED,
    sign=_KEEPALIVED_ENDED,
)
VRRP_CHILD_KILLED = Fault(
    "keepalived",
    "VRRP process dead",
    f"kill -9 {_VRRP_CHILD}",
    START_KEEPALIVED,
    sign=fault_signs.ended("keepalived's VRRP process", _VRRP_CHILD),
)
KEEPALIVED_FROZEN = Fault(
    "keepalived",
    "keepalived frozen",
    f"pkill -STOP {OURS} -x keepalived",
    f"pkill -CONT {OURS} -x keepalived || true",
    sign=fault_signs.stopped("keepalived", _ALL_OF_KEEPALIVED),
)
CLOCK_STEPPED = Fault(
    "clock",
    "clock 60 s ahead",
    "date -s '+60 seconds'",
    "date -s '-60 seconds'",
    sign=fault_signs.CLOCK_AHEAD,
)
# On a disk, where the copy is as lasting as what it is the copy of.
_KEPT_CONF = "/var/lib/tandem-drill.nginx.conf"
BAD_CONFIGURATION = Fault(
    "nginx-conf",
    "configuration broken, then reload",
    f"cp -a {NGINX_CONF} {_KEPT_CONF}.new && mv {_KEPT_CONF}.new {_KEPT_CONF} && "
    f"echo 'nonsense;' >>{NGINX_CONF} && ! {SERVICE} reload nginx >/dev/null 2>&1",
    f"rm -f {_KEPT_CONF}.new; [ ! -e {_KEPT_CONF} ] || mv {_KEPT_CONF} {NGINX_CONF}",
    lasting=True,
    # `do` fails where the reload does not.
    sign=Sign(
        f"grep -q '^nonsense;' {NGINX_CONF} && "
        "echo 'the reload was refused, with nonsense in nginx.conf'"
    ),
)
# What a planned change leaves on the machines: clients notice nothing of it.
CHANGED = Fault("change", "what was changed", "", shown=False)
REBOOTED = Fault("reboot", "rebooting", "setsid --fork sh -c 'sleep 0.1; reboot'")

# The watch trusts nginx less after each failure; for the next repeat it has to be the first again.
FORGIVEN = f"{SERVICE} try-restart tandem-watch 2>/dev/null || true"


def log_mark(text: str) -> str:
    """A line of the drills' own in the machine's log; verify/read/keepalived_log.py reads it."""
    return f"logger -i -t tandem_drill -- {quote(text)} 2>/dev/null || true"


_INSIDE = f"nsenter --target {MASTER} --mount --"
# Only in nginx's own view of the disk, so that no real disk has to be filled: on a machine where
# the log's disk is full, everything that nginx wants to write fails.
DISK_FULL = Fault(
    "disk",
    "nginx's disk full",
    f"{_INSIDE} mount -t tmpfs -o size=16k,mode=755 tandem-drill /var/log/nginx && "
    f"{_INSIDE} sh -c 'cat /dev/zero >/var/log/nginx/fill' 2>/dev/null; kill -USR1 {MASTER}",
    f"{_INSIDE} umount -l /var/log/nginx; kill -USR1 {MASTER}",
    sign=fault_signs.disk_full(MASTER, _INSIDE, "/var/log/nginx"),
)

SYSTEMD = "test -d /run/systemd/system"
_OFF = f"{DIRECTORY}/nginx-off"
_DROP_IN = "/run/systemd/system/nginx.service.d/tandem-drill.conf"
_SCRIPT = "/etc/init.d/nginx"
# A unit whose condition does not hold does not start, and that is no failure; nor does an init
# script start that is not executable. Without systemd, workers outlive a master that was killed.
NGINX_KEPT_DOWN = Fault(
    "nginx",
    "nginx dead",
    f"mkdir -p -m 700 {DIRECTORY} && touch {_OFF} && if {SYSTEMD}; then "
    f"mkdir -p $(dirname {_DROP_IN}) && "
    f"printf '[Unit]\\nConditionPathExists=!{_OFF}\\n' >{_DROP_IN} && systemctl daemon-reload && "
    f"kill -9 {MASTER}; else chmod a-x {_SCRIPT} && pkill -KILL {OURS} -f '^nginx: '; fi",
    f"rm -f {_OFF} {_DROP_IN}; if {SYSTEMD}; then "
    f"rmdir --ignore-fail-on-non-empty $(dirname {_DROP_IN}); systemctl daemon-reload; "
    f"else chmod a+x {_SCRIPT}; fi; {START_NGINX}",
    lasting=True,
    sign=_MASTER_ENDED,
)


# Undone by forgetting the stranger: the verifier would name it for a minute.
ROGUE = Fault(
    "rogue",
    "a rogue claims the address",
    "true",
    "for family in ip ip6; do ! nft list table $family tandem_vrrp >/dev/null 2>&1 || "
    "nft flush set $family tandem_vrrp strangers; done",
)


def cpu_starved(seconds: int) -> Fault:
    """Ends by itself. The busy processes have the same priority as all others."""
    return Fault(
        "cpu",
        "CPU starved",
        f"mkdir -p -m 700 {DIRECTORY} && : >{HOGS} && "
        f"for hog in $(seq $(({HOGS_PER_CPU} * $(nproc)))); do setsid --fork timeout {seconds} "
        f"sh -c 'echo $$ >>{HOGS}; while :; do :; done' >/dev/null 2>&1 </dev/null; done",
        lasts_s=seconds,
    )


# Also where somebody else has removed it already.
TABLE_GONE = f"nft delete table {TABLE} 2>/dev/null || ! nft list table {TABLE} >/dev/null 2>&1"


def adverts_dropped(
    label: str, *, input: bool = True, output: bool = False, percent: int = 100
) -> Fault:
    """VRRP filtered on a machine, in a table of its own that comes before all others.

    Each rule counts what it drops: `fault_signs.packets`.
    """
    some = "" if percent == 100 else f"numgen random mod 100 < {percent} "
    rules = [f"add table {TABLE}"]
    for hook, wanted in (("input", input), ("output", output)):
        if wanted:
            rules.append(f"add chain {TABLE} {hook} {{ type filter hook {hook} priority -400; }}")
            rules.append(f"add rule {TABLE} {hook} meta l4proto 112 {some}counter drop")
    return Fault("adverts", label, f"nft '{'; '.join(rules)}'", TABLE_GONE)


def strangers_counted(known: Sequence[IPv4Address | IPv6Address]) -> Fault:
    """VRRP from anybody but these machines is counted, ahead of all other tables, and goes on."""
    family = "ip" if known[0].version == 4 else "ip6"
    others = f"{family} saddr != {{ {', '.join(map(str, known))} }}"
    return Fault(
        "adverts",
        "strangers' adverts counted",
        f"nft 'add table {TABLE}; "
        f"add chain {TABLE} input {{ type filter hook prerouting priority -400; }}; "
        f"add rule {TABLE} input meta l4proto 112 {others} counter'",
        TABLE_GONE,
        shown=False,
    )


def holds(node: Node) -> str:
    """Succeeds on the node that holds the address."""
    return f"ip -o address show dev {node.interface} | grep -q ' {node.vip.ip}/'"


def give_away(node: Node) -> str:
    """Drains the node that holds the address until it has left, or 6 s have gone; it ends with the
    connection, too."""
    away = f"for try in $(seq 60); do {holds(node)} || break; sleep 0.1; done"
    undo = "trap 'rm -f /run/tandem/drain' EXIT; trap exit HUP TERM"
    return f"! {holds(node)} || ( {undo}; echo drill >/run/tandem/drain; {away} )"


def state(node: Node) -> str:
    """What `unsteady` reads, in one round trip. The script never fails."""
    return (
        f"{holds(node)} && echo holds; "
        f"{SERVICE} is-active -q nginx && echo nginx; "
        f"{SERVICE} is-active -q keepalived && pgrep -x -P "
        f"{KEEPALIVED} keepalived >/dev/null && echo keepalived; "
        f"curl -qs{'k' if node.tls else ''} --noproxy '*' -o /dev/null --max-time 1 "
        f"-w 'http=%{{http_code}}\\n' "
        f"{node.url('127.0.0.1')} || true"
    )


READY = {"nginx", "keepalived", "http=200"}


def unsteady(states: dict[str, str], preferred: str) -> str:
    """What is not yet as it was at the start, in words; "" when all is."""
    for name, text in states.items():
        words = set(text.split())
        if missing := READY - words:
            return f"{name}: not ready: {', '.join(sorted(missing))}"
        if name == preferred and "holds" not in words:
            return f"{name} does not hold the address yet"
        if name != preferred and "holds" in words:
            return f"{name} still holds the address"
    return ""
