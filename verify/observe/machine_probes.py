"""What a machine is asked about itself: its network, kernel, services, nftables and clock."""

from __future__ import annotations

import shlex
from pathlib import Path

from settings import Cluster, Node
from verify.observe.probe import ShellProbe, of_vip, told

_SNTP = Path(__file__).with_name("listeners") / "sntp.pl"
# The service that tells keepalived what a node's nginx is worth.
WATCH = "tandem-watch"
# The service that lets connections go on when the address moves.
HANDOVER = "tandem-handover"
_UNIT_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,MainPID,NRestarts,Restart,"
    "ConditionResult,Result"
)
_FAILED_UNITS = "systemctl list-units --state=failed --plain --no-legend --no-pager"
# The same of init scripts, where PID 1 is not systemd.
_SHOW_SCRIPTS = """\
for service in {services}; do
    script=/etc/init.d/$service
    if [ -x "$script" ]; then
        printf 'LoadState=loaded\\nFragmentPath=%s\\n' "$script"
    else
        printf 'LoadState=not-found\\nFragmentPath=\\n'
    fi
    case $(ls /etc/rc[2-5].d/S??$service /etc/rc.d/rc[2-5].d/S??$service 2>/dev/null) in
    ?*) echo UnitFileState=enabled ;;
    *) echo UnitFileState=disabled ;;
    esac
    case $service in nginx) file=/run/nginx/nginx.pid ;; *) file=/run/$service.pid ;; esac
    pid=$(cat $file 2>/dev/null)
    runs=
    # Not a container's, which a pid that is used again may be.
    [ ! "/proc/$pid/ns/pid" -ef /proc/self/ns/pid ] || runs=$(readlink "/proc/$pid/exe")
    case "$pid $runs" in
    ?*' '*/nginx* | ?*' '*/keepalived* | ?*' '*/python*) active=active ;;
    ' '*) active=inactive pid=0 ;;
    *) active=failed pid=0 ;; # dead, with its pid file
    esac
    kept=$(sed -n "s/^$service [^ ]* .*/always/p" /etc/tandem/services 2>/dev/null)
    pgrep --ns $$ --nslist pid -f '^[^ ]*python3? /usr/lib/tandem/supervise' >/dev/null &&
        grep -qs '/usr/lib/tandem/supervise$' /etc/inittab /etc/init/tandem.conf || kept=no
    printf 'Id=%s.service\\nInit=script\\nConditionResult=yes\\n' "$service"
    echo "ActiveState=$active"
    printf 'MainPID=%s\\nRestart=%s\\n\\n' "$pid" "${{kept:-no}}"
done"""
# What holds a secret, and the directories that it is in.
_SECRET_FILES = """\
set --
for place in /etc/keepalived /run/keepalived /etc/bird /etc/nginx /var/lib/tandem/keepalived \\
    /var/lib/tandem/bird /var/lib/tandem/nginx /var/lib/tandem/generations/files; do
    [ ! -d $place ] || set -- "$@" $place
done
if [ $# -gt 0 ]; then find "$@" -printf '%m %u:%g %y %p\\n'; else echo none; fi"""
# The number of CPUs, then what the kernel says of the process that asks, which began just now, and
# the time: together they tell when any other process began. (What /proc/uptime says may be about a
# container, and what a process has there is about its machine.)
_SYSTEM = """\
nproc
read -r just_begun </proc/self/stat
echo "$just_begun"
date +%s.%N"""


def from_kernel(node: Node) -> list[ShellProbe]:
    """What the kernel and the file system hold."""
    names = [interface.name for interface in node.interfaces]
    arp = " ".join(f"{name}/arp_ignore {name}/arp_announce" for name in names)
    promote = " ".join(f"{name}/promote_secondaries" for name in names)
    return [
        told("system", _SYSTEM),
        told("addresses", "ip -j address show"),
        told(
            "handover_sysctls",
            f"cd /proc/sys/net/ipv4/conf && grep . all/arp_* {arp}",
        ),
        told(
            "promote_secondaries",
            f"cd /proc/sys/net/ipv4/conf && grep . all/promote_secondaries {promote}",
        ),
        told(
            "kernel_limits",
            "cd /proc/sys && grep . net/core/somaxconn net/ipv4/tcp_max_syn_backlog "
            "fs/nr_open fs/file-max",
        ),
        told("secret_files", _SECRET_FILES),
    ]


def services(node: Node) -> list[ShellProbe]:
    """The services as systemd, or the init scripts, report them."""
    names = ("nginx", "bird" if node.routed else "keepalived", WATCH, HANDOVER)
    units = " ".join(f"{service}.service" for service in names)
    show = f"systemctl show --no-pager -p {_UNIT_PROPERTIES} {units}"
    scripts = _SHOW_SCRIPTS.format(services=" ".join(names))
    return [
        told(
            "units",
            f"if [ -d /run/systemd/system ]; then {show}; else\n{scripts}\nfi",
            show,
            may_hang=True,
        ),
        told(
            "failed_units",
            f'found=$({_FAILED_UNITS}) && echo "${{found:-none}}"',
            _FAILED_UNITS,
            may_hang=True,
        ),
    ]


def tables(node: Node, cluster: Cluster) -> list[ShellProbe]:
    """Our tables of nftables as the kernel has them; of a routed cluster's without what is in their
    sets: it may be of many thousand connections (-t)."""
    terse = " -t" if node.routed else ""
    return [
        *(
            _table(of_vip("handover_table", vrrp.place), handover_table(vrrp), terse)
            for vrrp in cluster.vips
        ),
        *(
            _table(of_vip("speakers_table", vrrp.place), f"{vrrp.family} tandem_vrrp")
            for vrrp in cluster.vips
            if not node.routed
        ),
        *([_table("handover_table6", "ip6 tandem_handover", terse)] if node.vip6 else []),
        *([_table("metrics_table", "inet tandem_metrics")] if node.metrics else []),
        *(
            _table(clients_table(family), f"{family} tandem_clients")
            for family in ("ip", "ip6")
            if node.limits_connections
        ),
    ]


def _table(probe: str, table: str, terse: str = "") -> ShellProbe:
    return told(probe, f"nft -j{terse} list table {table}", f"nft{terse} list table {table}")


def clients_table(family: str) -> str:
    """The probe that shows the limits of that family's clients."""
    return "clients_table" if family == "ip" else "clients_table6"


def handover_table(vrrp: Cluster) -> str:
    """The hand-over's table for a VIP, with its family in front."""
    return f"{vrrp.family} tandem_handover{f'_{vrrp.place + 1}' if vrrp.place else ''}"


def offset(server: str) -> ShellProbe:
    """How far the machine's clock is from the time server's; changes nothing.

    Perl asks in a sixth of the CPU time of NTPsec's ntpdate, a Python; where there is no Perl with
    its clock, or no answer, the machine's own program asks.
    """
    quoted = shlex.quote(server)
    return told(
        "offset",
        f"""\
if command -v perl >/dev/null && perl - {quoted} 2>/dev/null <<'SNTP'
{_SNTP.read_text()}
SNTP
then exit; fi
if command -v ntpdate >/dev/null; then ntpdate -q {quoted}
elif command -v chronyd >/dev/null; then
    chronyd -Q -t 4 'server {server} iburst maxsamples 1'
else echo neither ntpdate nor chronyd is installed; exit 127; fi""",
        f"ntpdate -q {quoted}",
        may_hang=True,
    )
