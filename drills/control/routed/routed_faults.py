"""What breaks a node that announces the address, and what undoes it, as shell. Pure text."""

from __future__ import annotations

from shlex import quote

from drills.control import fault_signs
from drills.control.fault_signs import Sign
from drills.control.faults import OURS, SERVICE, START_NGINX, Fault
from settings import Node
from settings.values import in_url

SOCKET = "/run/bird/bird.ctl"
BIRD_CONF = "/etc/bird/bird.conf"
# A person's; a deploy's is another one.
DRAIN_FILE = "/etc/keepalived/down"
_SHOW = f"timeout 2 birdcl -r -s {SOCKET} show protocols 2>/dev/null"
# Succeeds on a node that announces the address to a router, as one of those that serve.
SERVES = (
    f'{_SHOW} | awk \'$1 ~ /^vip_serves/ && $4 == "up" {{ up = 1 }} '
    "$1 ~ /^router_/ && /Established/ { way = 1 } END { exit !(up && way) }'"
)

_BIRD = f"$(pgrep {OURS} -x bird)"
_WATCH = f"$(pgrep {OURS} -f '^[^ ]*python3 /usr/lib/tandem/watch ')"
BIRD_STOPPED = Fault(
    "bird",
    "BIRD stopped",
    f"{SERVICE} stop bird",
    f"{SERVICE} start bird",
    sign=fault_signs.ended("BIRD", _BIRD),
)
BIRD_KILLED = Fault(
    "bird",
    "BIRD dead",
    f"kill -9 {_BIRD}",
    f"{SERVICE} start bird",
    sign=fault_signs.ended("BIRD", _BIRD),
)
WATCH_KILLED = Fault(
    "tandem-watch",
    "the watch dead",
    f"kill -9 {_WATCH}",
    f"{SERVICE} start tandem-watch",
    sign=fault_signs.ended("the watch", _WATCH),
)
# Downloads that nginx has begun come to their end before it ends.
NGINX_ENDING = Fault(
    "nginx", "nginx ends in order", f"{SERVICE} stop --no-block nginx", START_NGINX
)
ENDED_TIMEOUT_S = 90

# What nginx has written last may still be on its way when it has ended.
_SENDING = "state established state fin-wait-1 state close-wait state last-ack state closing"


def drained(node: Node) -> Fault:
    """As a person drains a node: it withdraws after a second behind all others.

    Without the hand-over no node hears that another one serves, and it stays behind them.
    """
    kind, words = ("", "no more") if node.handover else ("serves", "behind all others, if at all")
    withdrawn = f"! {_SHOW} | awk '$1 ~ /^vip_{kind}/' | grep -q ' up '"
    return Fault(
        "drain",
        "drained",
        f"mkdir -p $(dirname {DRAIN_FILE}) && echo drill >{DRAIN_FILE}",
        f"rm -f {DRAIN_FILE}",
        lasting=True,
        # A second behind all others, and a round of the watch before and after.
        sign=Sign(
            f"for look in $(seq 100); do {withdrawn} && "
            f"{{ echo it announces the address {words}; exit; }}; "
            "sleep 0.1; done; echo it still announces the address; false"
        ),
    )


def nginx_ended(node: Node) -> str:
    """Waits until nginx has ended, and all that it has sent has arrived; without the second chance
    some of that never does, and nobody says so to this node."""
    if not node.handover:
        return (
            f"for look in $(seq {ENDED_TIMEOUT_S * 5}); do pgrep {OURS} -x nginx >/dev/null || "
            "{ echo nginx has ended; exit; }; sleep 0.2; done; echo nginx is still there; false"
        )
    vips = " or ".join(f"src {in_url(vip.ip)}" for vip in (node.vip, node.vip6) if vip)
    return (
        f"for look in $(seq {ENDED_TIMEOUT_S * 5}); do "
        f"live=$(ss -Htn {_SENDING} {quote(f'( {vips} )')}) || exit; "
        f'[ -n "$live" ] || pgrep {OURS} -x nginx >/dev/null || '
        "{ echo nginx has ended, and its connections; exit; }; sleep 0.2; done; "
        "echo nginx is still there, or a connection; false"
    )


READY = ("nginx", "bird", "tandem-watch", "http=200")


def state(node: Node) -> str:
    """What `unsteady` reads, in one round trip. The script never fails."""
    return (
        f"{SERVES} && echo serves; "
        f"for each in {' '.join(READY[:3])}; do {SERVICE} is-active -q $each && echo $each; done; "
        f"curl -qs{'k' if node.tls else ''} --noproxy '*' -o /dev/null --max-time 1 "
        f"-w 'http=%{{http_code}}\\n' {node.url('127.0.0.1')} || true"
    )


def unsteady(states: dict[str, str]) -> str:
    """What is not yet as it was at the start, in words; "" when all is."""
    for name, text in states.items():
        words = set(text.split())
        if missing := [word for word in READY if word not in words]:
            return f"{name}: not ready: {', '.join(missing)}"
        if "serves" not in words:
            return f"{name} does not announce the address yet"
    return ""
