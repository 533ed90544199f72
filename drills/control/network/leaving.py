"""A machine's own address, or its interface, goes and comes back. Pure text.

The machine cannot be reached meanwhile, so it does both by itself: what has to come back
(addresses, routes, the interface's state) is written down as commands before anything is taken, and
a process of the machine's own runs them. `undo`, which the machine runs by itself as well
(`rescue_s`), does more: should the VIP have come first, and take the machine's own address along
whenever it goes, it empties the interface, and begins with the machine's own. That it had to leaves
a mark.
"""

from __future__ import annotations

from shlex import quote

from drills.control.fault_signs import Sign
from drills.control.faults import SERVICE, Fault, holds
from drills.control.self_undo import DIRECTORY
from settings import Node

# How long the address or the interface is away.
AWAY_S, DOWN_S = 4, 2
# So long after that the machine is brought back, if it has not come back.
RESCUE_MORE_S = 4
# A drill has so long to look at what came of an address that came back at once.
LOOKED_AT_S = 12
LATE_S = 10
MENDED = f"{DIRECTORY}/mended"

_UNIT = "tandem-drill-late.service"
_UNITS = "/etc/systemd/system"
_WANTS = f"{_UNITS}/keepalived.service.wants"
_LATE = "/var/lib/tandem-drill.late"
LATE_SAID = "/run/tandem-drill.late"


# keepalived does not look for an address again that was not there when it started (2.2.7), nor for
# an interface that is another one.
_RESTART = f"{SERVICE} restart keepalived; {SERVICE} try-restart tandem-handover || true"


def _family(node: Node) -> int:
    return node.own.version if node.own else 4


def find(node: Node) -> str:
    """Sets $dev and $own: where the machine's own address is, and the address with its prefix.

    Fails where it has none.
    """
    listed = f"ip -o -{_family(node)} address show to {node.own}"
    return f'set -- $({listed} | head -n 1); dev=${{2:-}} own=${{4:-}}; [ -n "$own" ]'


def has_own(node: Node) -> str:
    """Succeeds where the machine has its own address, and no other one comes before it."""
    # What is secondary goes with the one that is not.
    return f"ip -o -{_family(node)} address show to {node.own} | grep -v ' secondary ' | grep -q ."


def save(node: Node, file: str) -> str:
    """Writes down in `file`, as commands, the machine's own addresses on $dev, and all routes."""
    own = [str(address) for address in (node.address, node.address6) if address]
    known = " || ".join(f'index($4, "{address}/") == 1' for address in own)
    add = 'print "ip address replace", $4, ($3 == "inet" ? "brd +" : "nodad"), "dev", $2'
    lines = (
        'echo "ip link set $dev up"',
        f"ip -o address show dev $dev | awk '{known} {{ {add} }}'",
        *(
            f"ip -{family} route show dev $dev | grep -v -e 'proto kernel' -e 'proto ra' | "
            'sed "s/ linkdown//; s/ dead//; s/ *\\$//" | '
            f'sed "s/^/ip -{family} route replace /; s/\\$/ dev $dev/"'
            for family in (4, 6)
        ),
    )
    return f"{{ {'; '.join(lines)}; }} >{file}"


def _mend(node: Node, key: str) -> str:
    """Brings back what is missing. keepalived, which would add the VIP at once, waits meanwhile."""
    back = f"{DIRECTORY}/{key}.back"
    right = f"{{ {has_own(node)}; }} && ip -o link show dev $dev up | grep -q ."
    return (
        f"[ -e {back} ] || exit 0; dev=$(sed -n '1s/ip link set \\(.*\\) up/\\1/p' {back}); "
        f"{right} && exit 0; echo {key} >{MENDED}; {SERVICE} stop keepalived; "
        f"ip -{_family(node)} address flush dev $dev scope global; sh {back}; {_RESTART}; {right}"
    )


def _leaves(node: Node, key: str, label: str, seconds: int, take: str, seen: Sign) -> Fault:
    back = f"{DIRECTORY}/{key}.back"
    later = f"setsid --fork sh -c 'sleep {seconds}; sh {back}' >/dev/null 2>&1 </dev/null"
    return Fault(
        key,
        label,
        f"rm -f {MENDED}; {find(node)} && {save(node, back)} && {later} && {take}",
        _mend(node, key),
        lasts_s=seconds,
        sign=seen,
        rescue_s=seconds + RESCUE_MORE_S,
    )


def own_address_lost(node: Node) -> Fault:
    """Its own address is away for some seconds, while the link stays."""
    return _leaves(
        node,
        "own-address",
        "own address lost",
        AWAY_S,
        "ip address del $own dev $dev",
        Sign(
            f"{find(node)} && {{ echo it still has $own; exit 1; }}; "
            f"echo its own address {node.own} is gone from $was; ip -o link show dev $was up | "
            "grep -q LOWER_UP",
            before=f"{find(node)}; was=$dev",
        ),
    )


def interface_down(node: Node) -> Fault:
    """Its interface is down for some seconds."""
    return _leaves(
        node,
        "interface",
        "interface down",
        DOWN_S,
        "ip link set $dev down",
        Sign(
            'ip -o link show dev $was up | grep -q . && { echo "$was is up"; exit 1; }; '
            'echo "$was is down"',
            before=f"{find(node)}; was=$dev",
        ),
    )


def own_address_back(node: Node) -> Fault:
    """Its own address is removed, and added again at once."""
    key = "own-address"
    back = f"{DIRECTORY}/{key}.back"
    return Fault(
        key,
        "own address removed and added again",
        f"rm -f {MENDED}; {find(node)} && {save(node, back)} && was=$own && "
        f"ip address del $own dev $dev && gone=yes && {{ ! {{ {find(node)}; }}; }} && sh {back}",
        _mend(node, key),
        sign=Sign(
            f'{find(node)} && [ "$gone" = yes ] && echo "$was was gone, and is there again"',
            before="gone=",
        ),
        rescue_s=LOOKED_AT_S,
    )


def _unless_it_holds(node: Node) -> str:
    """Where the address should be here by now, and is not, keepalived begins anew."""
    return f"{holds(node)} || {{ {_RESTART}; }}"


def followed(node: Node) -> Fault:
    """No fault: the machine that shall hold the address then is put right if it does not."""
    return Fault("follows", "followed", "true", _unless_it_holds(node), shown=False)


def late_at_boot(node: Node) -> Fault:
    """At its next boot its own address is missing until keepalived has run for `LATE_S`.

    What shows that it was: the file `LATE_SAID`.
    """
    take = f"{find(node)} && {save(node, f'{LATE_SAID}.back')} && ip address del $own dev $dev"
    give = (
        "for look in $(seq 600); do pgrep -x keepalived >/dev/null && break; sleep 0.1; done; "
        f"sleep {LATE_S}; {find(node)} || "
        f'echo "keepalived ($(pgrep -o -x keepalived)) has run for {LATE_S} s without {node.own}" '
        f">{LATE_SAID}; sh {LATE_SAID}.back"
    )
    unit = (
        "[Unit]\\nAfter=network-online.target nginx.service\\nBefore=keepalived.service\\n"
        # Once in a boot: keepalived, which wants this unit, may be started anew meanwhile.
        "[Service]\\nRemainAfterExit=yes\\n"
        f"ExecStartPre=/bin/sh {_LATE}.take\\nExecStart=/bin/sh {_LATE}.give\\n"
    )
    put = " && ".join(
        f"printf '%s\\n' {quote(text)} >{_LATE}.{name}"
        for name, text in (("take", take), ("give", give))
    )
    return Fault(
        "late-address",
        "address late at boot",
        f"{put} && printf '{unit}' >{_UNITS}/{_UNIT} && mkdir -p {_WANTS} && "
        f"ln -sf ../{_UNIT} {_WANTS}/{_UNIT} && systemctl daemon-reload && sync",
        # A machine that is reached by another address may still be waiting for its own.
        f"systemctl stop {_UNIT} 2>/dev/null; [ ! -e {LATE_SAID}.back ] || sh {LATE_SAID}.back; "
        f"rm -f {_UNITS}/{_UNIT} {_WANTS}/{_UNIT} {_LATE}.take {_LATE}.give {LATE_SAID}*; "
        f"rmdir --ignore-fail-on-non-empty {_WANTS} 2>/dev/null; systemctl daemon-reload; "
        f"systemctl reset-failed {_UNIT} 2>/dev/null; "
        f"{_unless_it_holds(node)}",
        shown=False,
        lasting=True,
    )


# What that has left to be seen, in the boot that it was about. A machine that is reached by another
# address than its own has booted before.
_LATE_LOOKS, _LATE_STEP_S = 2 * (LATE_S + 10), 0.5
LATE_SHOWN = (
    f"for look in $(seq {_LATE_LOOKS}); do [ ! -s {LATE_SAID} ] || break; sleep {_LATE_STEP_S}; "
    f"done; cat {LATE_SAID}"
)
LATE_TIMEOUT_S = _LATE_LOOKS * _LATE_STEP_S + 10


def whole(node: Node) -> str:
    """Succeeds where the machine has come back by itself, with its own address first; says why not.

    The VIP must not have become the address that its own connections come from.
    """
    # Somewhere beyond the gateway, where nothing is sent to.
    far = "192.0.2.1" if _family(node) == 4 else "2001:db8::1"
    return (
        f"[ ! -e {MENDED} ] || {{ echo 'its own address was gone for good, or came after the VIP, "
        "and had to be mended'; exit 1; }; "
        f"{has_own(node)} || {{ echo 'it has not its own address, or only behind another one'; "
        f"exit 1; }}; case $(ip -o route get {far} 2>/dev/null) in *' src {node.vip.ip} '*) "
        "echo 'its own connections come from the VIP'; exit 1;; esac"
    )
