"""What a machine is asked about its upkeep: disks, logs, who rotates them, and who it is."""

from __future__ import annotations

from settings import Node
from verify.observe.probe import ShellProbe, told

LOGS = "/var/log/nginx"
# What only Tandem's services without systemd write; a deploy has it rotated at 1 MB.
SERVICE_LOGS = "/var/log/tandem"
# Who deployed what, a line of JSON for each.
_LAST_DEPLOY = "tail -n 1 /var/lib/tandem/deploys.jsonl"
# Where the last run was no rollback, one file is read. Otherwise what lies in place is compared
# with the digests that are kept of the generation, and what differs is named.
_ROLLED_BACK = """\
cd /var/lib/tandem 2>/dev/null || { echo none; exit; }
last=$(tail -n 1 deploys.jsonl 2>/dev/null)
case $last in *'"exit": "done"'*) ;; *) echo none; exit ;; esac
to=$(printf '%s\\n' "$last" | sed -nE 's/.*"to": "([0-9]{8}-[0-9]{6})".*/\\1/p')
[ -n "$to" ] || { echo none; exit; }
echo "to $to"
index=generations/$to.json
[ -f "$index" ] || { echo "changed $PWD/$index"; echo looked; exit; }
[ "$(readlink generations/present)" = "$to.json" ] || echo "changed $PWD/generations/present"
its=nginx/generations/$(sed -nE 's/^ *"nginx": "([^"]+)".*/\\1/p' "$index")
build=$(sed -n 's/^build=//p' "$its/about")
[ "$(readlink /usr/sbin/nginx)" = "/usr/lib/tandem/nginx/$build/nginx" ] ||
    echo "changed /usr/sbin/nginx"
unit=/etc/systemd/system/nginx.service
[ -d /run/systemd/system ] || unit=/etc/init.d/nginx
{
    sed -nE -e 's,^([0-9a-f]{64}  )etc/,\\1/etc/nginx/,p' \\
        -e "s,^([0-9a-f]{64}  )unit$,\\1$unit,p" "$its/sums"
    sed -nE 's/^ *"file ([^"]+)": "([0-9a-f]{64})".*/\\2  \\1/p' "$index"
} | sha256sum --check --quiet 2>/dev/null | sed -n 's/: FAILED.*//p' | sed 's/^/changed /'
sed -nE 's/^ *"site ([^"]+)": "([^"]+)".*/\\1 \\2/p' "$index" | while read -r site digest; do
    case $(readlink "sites/$site/current") in
        "$digest".*) ;;
        *) echo "changed site $site" ;;
    esac
done
echo looked"""
_ROLLED_BACK_SHOWN = f"{_LAST_DEPLOY}; /usr/lib/tandem/deploy-record list"
# Where something is written while all goes well.
_WRITTEN = (
    f"/etc/nginx /etc/keepalived /run /run/tandem /tmp /var/lib/tandem /var/log {LOGS} "
    "/var/tmp/nginx"
)
_MOUNTS = (
    "sed -nE '/^[^ ]+ .(proc|sys|dev)[/ ]/d; "
    "s/^[^ ]+ ([^ ]+) [^ ]+ (ro|rw)([, ].*)?$/mount \\2 \\1/p' /proc/self/mounts"
)
# `head` tells which file is whose; of its first line only the time leaves the machine.
_LOGS = f"""\
find {LOGS} {SERVICE_LOGS} -maxdepth 1 -type f -printf 'log %s %p\\n' 2>/dev/null
head -vn 1 {LOGS}/*.log 2>/dev/null | sed -nE \\
    -e 's/^==> (.*) <==$/first \\1/p' \\
    -e 's,^[^"]*\\[([0-9]{{2}}/[A-Z][a-z]{{2}}/[0-9:]{{13}} [-+][0-9]{{4}})\\] ".*,at \\1,p' \\
    -e 's,^([0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}} [0-9:]{{8}}) .*,at \\1,p'
[ -d /var/log/journal ] || [ -d /run/log/journal ] || echo journal 0 /var/log/journal
du -sk /var/log/journal /run/log/journal 2>/dev/null |
    while read -r size place; do echo "journal $size $place"; done
sed -nE 's/^[[:space:]]*(SystemMaxUse[[:space:]]*=.*)/limit \\1/p' 2>/dev/null \\
    /etc/systemd/journald.conf /usr/lib/systemd/journald.conf.d/*.conf \\
    /run/systemd/journald.conf.d/*.conf /etc/systemd/journald.conf.d/*.conf
true"""
_TIMER = (
    "systemctl show --no-pager -p LoadState,ActiveState,UnitFileState,NextElapseUSecRealtime "
    "logrotate.timer"
)
# Debian's file for cron leaves it to the timer where there is systemd.
_ROTATION_RUN = f"""\
file=/etc/cron.daily/logrotate
if [ ! -x $file ]; then echo file=none
elif [ -d /run/systemd/system ] && grep -q /run/systemd/system $file; then echo file=defers
else echo file=$file; fi
pid= name=
read -r pid 2>/dev/null </run/crond.pid
read -r name 2>/dev/null <"/proc/$pid/comm"
case $name in cron | crond) cron=runs ;; *) cron=none ;; esac
if [ -d /run/systemd/system ]; then
    echo init=systemd
    {_TIMER}
else
    echo init=scripts
    # There are others than cron, with pid files elsewhere.
    pgrep -x 'crond?|fcron|bcron-sched' >/dev/null && cron=runs
fi
echo cron=$cron"""
# No process at all: the shell reads both.
_IDENTITY = """\
id= name=
read -r id 2>/dev/null </etc/machine-id
read -r name </proc/sys/kernel/hostname
echo "machine-id ${id:-none}"
echo "hostname $name\""""


def from_files(node: Node) -> list[ShellProbe]:
    """What files and file systems say."""
    cache = f" {node.cache.path}" if node.cache else ""
    table = f"df -k --output=size,used,avail,itotal,iavail,file,target {_WRITTEN}{cache}"
    return [
        told("identity", _IDENTITY, "cat /etc/machine-id; hostname"),
        told("last_deploy", f"{_LAST_DEPLOY} 2>/dev/null || echo none", _LAST_DEPLOY),
        told("rolled_back", _ROLLED_BACK, _ROLLED_BACK_SHOWN),
        # Last: a file system that does not answer takes what comes after it with it.
        told(
            "logs",
            _LOGS,
            f"ls -l {LOGS}; head -n 1 {LOGS}/*.log; journalctl --disk-usage",
            may_hang=True,
        ),
        told("disks", f"{table}; {_MOUNTS}", f"{table}; grep ' ro,' /proc/mounts", may_hang=True),
    ]


def from_programs() -> list[ShellProbe]:
    """What the system's services say."""
    return [
        told(
            "rotation_run",
            _ROTATION_RUN,
            "systemctl list-timers logrotate.timer; pgrep -a cron",
            may_hang=True,
        )
    ]
