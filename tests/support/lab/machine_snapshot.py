"""Everything about a machine that could have changed, as lines: run there by its own Python.

    FILE /etc/passwd 644 root:root 1234 d2a8…        with the sum of what is in it
    DIR, LINK, NODE                                  the same for what is no file
    PACKAGE, UNIT, USER, GROUP, SYSCTL, NFT, ADDRESS, ROUTE, RULE, …

Only modules that python3-minimal has.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

# What the kernel makes, and what passes.
LEFT_OUT = ("/proc", "/sys", "/dev", "/tmp", "/run/systemd", "/run/log", "/run/udev", "/run/user")
COMMANDS = {
    "PACKAGE": "dpkg-query -W -f '${binary:Package} ${Version} ${db:Status-Abbrev}\\n'",
    "AUTO": "apt-mark showauto",
    "UNIT-FILE": "systemctl list-unit-files --plain --no-legend || true",
    "UNIT": "systemctl list-units --all --plain --no-legend --type=service,timer,path,socket | "
    "awk '{ print $1, $2, $3, $4 }' || true",
    "RUNLEVEL": "ls /etc/rc?.d 2>/dev/null || true",
    "USER": "getent passwd",
    "GROUP": "getent group",
    "SYSCTL": "sysctl -a 2>/dev/null | grep -vE "
    "'^(kernel.random|fs.(dentry|file-nr|inode)|kernel.(ns_last_pid|pty.nr|tainted|keys)|"
    "net.netfilter.nf_conntrack_count|net.*(mc_forwarding|gc_interval|app_solicit))'",
    "NFT": "nft list ruleset 2>/dev/null || true",
    "ADDRESS": "ip -o address show | sed -E 's/ tentative//; s/valid_lft.*//'",
    "ROUTE": "ip route show table all; ip -6 route show table all | sed -E 's/expires.*//'",
    "RULE": "ip rule; ip -6 rule",
    "LISTENS": "ss -Hlntu | awk '{ print $1, $5 }'",
}


def said(path: str, info: os.stat_result) -> str:
    """What a snapshot says of the file, directory, link or other thing at `path`."""
    mode = f"{stat.S_IMODE(info.st_mode):o} {info.st_uid}:{info.st_gid}"
    if stat.S_ISLNK(info.st_mode):
        return f"LINK {path} {mode} -> {os.readlink(path)}"
    if stat.S_ISDIR(info.st_mode):
        return f"DIR {path} {mode}"
    if not stat.S_ISREG(info.st_mode):
        return f"NODE {path} {mode}"
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    return f"FILE {path} {mode} {info.st_size} {digest}"


def files() -> Iterator[str]:
    for place, directories, names in os.walk("/"):
        directories[:] = sorted(d for d in directories if os.path.join(place, d) not in LEFT_OUT)
        for name in sorted(directories + names):
            path = os.path.join(place, name)
            if path not in LEFT_OUT:
                with suppress(OSError):  # it has gone meanwhile
                    yield said(path, os.lstat(path))


def asked() -> Iterator[str]:
    for name, command in sorted(COMMANDS.items()):
        done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, check=False)
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            if line.strip():
                yield f"{name} {line.strip()}"


for line in (*files(), *asked()):
    sys.stdout.write(f"{line}\n")
