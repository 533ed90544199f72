"""What a deploy makes of a machine, as lines, so that two can be compared.

Files with modes and owners, users, packages, units, kernel settings, nftables, and what runs.
"""

from __future__ import annotations

import re
from pathlib import Path

from lab.twin import Lab

SNAPSHOT = (Path(__file__).parents[1] / "machine_snapshot.py").read_text()
# What differs from one run to the next, though the machine is the same, as `machine_snapshot.py`
# has it: the books of others, and what is named or filled by the time.
PASSES = re.compile(
    r"\w+ /var/(log(?!/nginx)|cache/(apt|ldconfig|debconf|man)|backups|spool)\b|"
    r"\w+ /(var/lib/(apt|dpkg|ucf|systemd|chrony|private)|root/\.cache)\b|"
    r"FILE /etc/(passwd|group|shadow|gshadow|subuid|subgid)- |"
    # Each machine has its own, and another in each lab.
    r"(ADDRESS|ROUTE) .*\bfe80::[0-9a-f]+:|"
    # A VIP that a node has while it hands its connections over to the next holder.
    r"ADDRESS 1: lo +\w+ \S+ scope host dynamic |ROUTE local (?!127\.)\S+ dev lo |"
    # Who deployed when, and the generations of it, which are named by the time.
    r"(FILE|LINK|DIR) /var/lib/tandem/(deploys\.jsonl|generations/)|"
    r"FILE /etc/(machine-id|ssh/ssh_host_\S+) |FILE /root/\.ssh/authorized_keys |"
    # What runs, by its numbers and times; but not a lock of ours, or what we make in /run itself.
    r"\w+ (/run\b(?!/(tandem|nginx|keepalived)[^/ ]* )|/var/tmp/systemd-private-)|"
    r"UNIT (user|session|run|systemd-(tmpfiles|hostnamed|timedated|logind))[@-]?\S* |"
    r"NFT .*(timeout|expires|counter).*|LISTENS udp \S+:[3-6]\d{4}$|"
    r"FILE /usr/lib/python3\S*\.pyc |DIR \S*/__pycache__ |"
    # What is kept to go back to, which depends on how often a run was made, and where it ended.
    r"FILE /var/lib/tandem/keepalived/before\.conf |"
    r"\w+ /var/lib/tandem/(nginx/(generations/|previous|staged|current|history|runs))\b|"
    r"\w+ /usr/lib/tandem/nginx/|"
    r"SYSCTL (kernel\.(random|pid|tty|seccomp|hostname)|fs\.|net\.ipv4\.tcp_mem|.*\.stable_secret)"
)
# The time in the name of a version of a site; what is in a log, and not whose it is: likewise in
# /run, in what says since which boot apt's lists are good, or when a site's files were written, and
# in a lock.
TIME = re.compile(r"\.\d{16}\b")
LOGGED = re.compile(
    r"(FILE (?:\S+\.(?:log|whole)|/run/\S+|/var/lib/tandem/lists-fetched|\S+[./]lock) \d+ \S+) .*"
)
RUNNING = """
for unit in nginx keepalived tandem-watch tandem-handover; do
    echo "RUNS $unit $(systemctl show $unit -p ActiveState -p UnitFileState -p NeedDaemonReload \\
        --value | tr '\\n' ' ')"
    pid=$(systemctl show $unit -p MainPID --value)
    echo "RUNS $unit $(readlink /proc/$pid/exe) $(tr '\\0' ' ' </proc/$pid/cmdline)"
    # Whoever was not restarted after its definition has changed runs the old one.
    began_s=$(($(date +%s) - $(ps -o etimes= -p $pid)))
    for file in $(systemctl show $unit -p FragmentPath -p DropInPaths --value) \\
        /usr/lib/tandem/${unit#tandem-}; do
        [ ! -f "$file" ] || [ "$(stat -c %Y "$file")" -le $((began_s + 1)) ] ||
            echo "OLD $unit runs since before $file was written"
    done
done
echo "RUNS nginx $(/usr/sbin/nginx -V 2>&1 | sha256sum)"
echo "STAGED $(/usr/lib/tandem/apply-nginx look | grep ^Action=)"
[ ! -e /run/tandem/drain ] || echo "DRAINED by a deploy"
[ ! -e /etc/keepalived/down ] || echo "DRAINED by a person"
# What is there only while something is under way.
find /usr/lib/tandem /var/lib/tandem /var/cache/tandem -name '.?*' ! -name .seen \\
    -printf 'LEFT %p\\n'
for build in /usr/lib/tandem/nginx/*; do
    [ -x "$build/nginx" ] || echo "LEFT $build"
done
ls -A /tmp /var/tmp | sed 's/^systemd-private.*/systemd-private/; s/^/TMP /' | sort -u
"""


def of(lab: Lab, name: str) -> frozenset[str]:
    """The state of a machine that was deployed, as lines that can be compared."""
    files = lab.ssh(name, "python3 -", input=SNAPSHOT)
    runs = lab.ssh(name, "sh", input=RUNNING)
    assert files.returncode == 0, files.stderr
    lines = (*files.stdout.splitlines(), *runs.stdout.splitlines())
    kept = (line.strip() for line in lines if not PASSES.match(line))
    return frozenset(LOGGED.sub(r"\1", TIME.sub(".TIME", line)) for line in kept)


def of_all(lab: Lab) -> dict[str, frozenset[str]]:
    return {machine.name: of(lab, machine.name) for machine in lab.machines}


def differences(wanted: dict[str, frozenset[str]], found: dict[str, frozenset[str]]) -> list[str]:
    """What is missing ("-") and what is too much ("+"), by machine."""
    return [
        f"{name}: {sign} {line}"
        for name in wanted
        for sign, lines in (("-", wanted[name] - found[name]), ("+", found[name] - wanted[name]))
        for line in sorted(lines)
    ]
