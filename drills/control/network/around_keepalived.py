"""What changes around keepalived on a machine: firewalls, names, inotify. Pure text."""

from __future__ import annotations

from drills.control.fault_signs import LOOKS, Sign
from drills.control.faults import KEEPALIVED, SERVICE, TABLE, TABLE_GONE, Fault
from drills.control.self_undo import DIRECTORY
from settings import Node

# A table that somebody else's rules do not have.
OUR_TABLES = "nft -a list ruleset | grep -E '^table .* tandem_handover '"
_SAVED = f"{DIRECTORY}/rules.saved"

# As `systemctl restart nftables` does with a file of somebody's own, or a person.
RULES_FLUSHED = Fault(
    "rules",
    "nft flush ruleset",
    f"nft list ruleset >{_SAVED} && nft flush ruleset",
    # What the machine does not bring back itself: those of others.
    f"[ -s {_SAVED} ] || exit 0; for table in $(sed -n 's/^table \\(.*\\) {{$/\\1/p' {_SAVED} | "
    "tr ' ' ,); do nft list table $(echo $table | tr , ' ') >/dev/null 2>&1 || missing=yes; done; "
    f'[ -z "${{missing:-}}" ] || {{ nft flush ruleset && nft -f {_SAVED}; }}',
    sign=Sign(
        f"for look in $(seq {LOOKS}); do now=$({OUR_TABLES}); "
        '[ "$now" = "$was" ] || break; sleep 0.05; done; [ -n "$was" ] || '
        '{ echo "there was no table of the hand-over"; exit 1; }; [ "$now" != "$was" ] || '
        '{ echo "the tables of the hand-over are still there"; exit 1; }; '
        'echo "the tables of the hand-over (handle $(echo "$was" | sed "s/.*handle //" | xargs)) '
        'are gone"',
        before=f"mkdir -p -m 700 {DIRECTORY}; was=$({OUR_TABLES})",
    ),
)
# Succeeds where the hand-over has its tables.
RULES_THERE = f"{OUR_TABLES} >/dev/null"

# Nobody is there, and nobody says so: an address for documentation (RFC 5737), which routers drop.
_NOBODY = "192.0.2.53"
_KEPT = "/var/lib/tandem-drill.resolver"
_FILES = "resolv.conf hosts"
RESOLVER_DEAD = Fault(
    "resolver",
    "resolver dead",
    f"mkdir -p {_KEPT}.new && for file in {_FILES}; do cp -a /etc/$file {_KEPT}.new/ || exit 1; "
    f"done && mv {_KEPT}.new {_KEPT} && "
    f"rm -f /etc/resolv.conf && printf 'nameserver {_NOBODY}\\n' >/etc/resolv.conf && "
    "printf '127.0.0.1 localhost\\n::1 localhost\\n' >/etc/hosts",
    f"rm -rf {_KEPT}.new; [ -e {_KEPT} ] || "
    f"exit 0; for file in {_FILES}; do [ ! -e {_KEPT}/$file ] && [ ! -L {_KEPT}/$file ] || "
    f"mv -f {_KEPT}/$file /etc/$file || exit 1; done; rm -rf {_KEPT}",
    lasting=True,
    sign=Sign(
        "timeout 1 getent hosts tandem-drill.example >/dev/null; [ $? = 124 ] && "
        "echo 'it waits for a name server that says nothing' || "
        "{ echo 'it is told at once about names'; false; }"
    ),
)

# The last drop-in by its name, since it takes back what those before it allow.
# systemd refuses keepalived the system call, as the kernel does where a user has used up all
# instances (EMFILE). To use them up would break the lab's host: its limit counts root's, and the
# lab's machines share them.
_DROP_IN = "/run/systemd/system/keepalived.service.d/zz-tandem-drill.conf"
INOTIFY_EXHAUSTED = Fault(
    "inotify",
    "no inotify for keepalived",
    f"mkdir -p $(dirname {_DROP_IN}) && printf '[Service]\\nSystemCallFilter=~inotify_init:EMFILE "
    f"inotify_init1:EMFILE\\n' >{_DROP_IN} && systemctl daemon-reload && {SERVICE} restart "
    "keepalived",
    f"rm -f {_DROP_IN}; rmdir --ignore-fail-on-non-empty $(dirname {_DROP_IN}) 2>/dev/null; "
    f"systemctl daemon-reload; {SERVICE} restart keepalived",
    sign=Sign(
        f"sleep 0.5; pids=$(parent={KEEPALIVED}; echo $parent $(pgrep -P $parent)); "
        "for pid in $pids; do ! ls -l /proc/$pid/fd | grep -q inotify || "
        '{ echo "keepalived ($pid) has an inotify instance"; exit 1; }; done; '
        'echo "keepalived ($(echo $pids)) has no inotify instance"'
    ),
)


def stateful_firewall(node: Node) -> Fault:
    """A firewall that lets in what belongs to a connection, and servers, but does not know VRRP.

    Its first rule counts the adverts that meet it.
    """
    rules = (
        f"add table {TABLE}",
        f"add chain {TABLE} input {{ type filter hook input priority 0; policy drop; }}",
        f"add rule {TABLE} input meta l4proto 112 counter",
        f"add rule {TABLE} input ct state established,related accept",
        f"add rule {TABLE} input meta l4proto {{ tcp, udp, icmp, icmpv6 }} accept",
    )
    return Fault("adverts", "firewall without VRRP", f"nft '{'; '.join(rules)}'", TABLE_GONE)


def address6_lost(node: Node) -> Fault:
    """The interface goes down and up again at once, and takes its IPv6 addresses along."""
    file = f"{DIRECTORY}/address6.back"
    listed = f"ip -o -6 address show to {node.address6}"
    return Fault(
        "address6",
        "IPv6 lost",
        f"set -- $({listed} | head -n 1); dev=$2 && mkdir -p -m 700 {DIRECTORY} && "
        f"{{ ip -o -6 address show dev $dev scope global | "
        'awk \'{ print "ip address replace", $4, "nodad dev", $2 }\'; '
        f"ip -6 route show default dev $dev | "
        'sed "s/^/ip -6 route replace /; s/ *\\$/ dev $dev/"; '
        f"}} >{file} && ip -6 address flush dev $dev scope global",
        f"[ ! -e {file} ] || sh {file}",
        sign=Sign(
            f"{listed} | grep -q . && {{ echo 'it still has {node.address6}'; exit 1; }}; "
            f"echo '{node.address6} is gone'"
        ),
    )
