"""What deploys have added to a machine that might as well be somebody's own: written down there, so
that teardown.py takes away no more than that.

    /var/lib/tandem/brought/packages     names of packages that an install of ours has added
    /var/lib/tandem/brought/account      "user nginx", "group nginx"
    /var/lib/tandem/brought/firewalld    what was opened, as the words after `firewall-cmd`
    /var/lib/tandem/brought/sysctls      values as they were before: "net/core/somaxconn 4096"
    /var/lib/tandem/brought/replaced.tar what was in the places of our files (replaced.py)
    /var/lib/tandem/brought/before       packages that were there when an install began; only there
                                         until what it has added is written down

Files need no record: each concern names the places of its own (tasks/machine/footprint.py). A
machine that was deployed before there was a record keeps its packages and its account.
"""

from __future__ import annotations

import shlex

HOME = "/var/lib/tandem/brought"
PACKAGES = f"{HOME}/packages"
BEFORE = f"{HOME}/before"
ACCOUNT = f"{HOME}/account"
FIREWALLD = f"{HOME}/firewalld"
SYSCTLS = f"{HOME}/sysctls"
# What there is while one of these is written. (The next install goes on with BEFORE.)
PASSING = (
    *(f"{BEFORE}.new", f"{BEFORE}.now"),
    *(f"{PACKAGES}.all", f"{PACKAGES}.new", f"{FIREWALLD}.new"),
)

# The names of all packages that are installed, sorted; as apt-get and dnf print them, too. A list
# that cannot be read is a failure and no empty list: what came with a deploy goes with a teardown.
INSTALLED = {
    "debian": (
        "{ all=$(dpkg-query -W -f '${binary:Package} ${db:Status-Abbrev}\\n') && "
        "echo \"$all\" | sed -n 's/ [hi]i *$//p' | "
        'sed "s/:$(dpkg --print-architecture)$//" | LC_ALL=C sort -u; }'
    ),
    "redhat": (
        "{ all=$(rpm -qa --queryformat '%{NAME}\\n') && "
        "echo \"$all\" | grep -v '^gpg-pubkey' | LC_ALL=C sort -u; }"
    ),
}


def begin_install(family: str) -> str:
    """Shell: remember which packages are there; what a killed install remembers, counts."""
    # On the disk before anything is installed: an empty one would make every package ours.
    remember = f"{INSTALLED[family]} >{BEFORE}.new && sync {BEFORE}.new && mv {BEFORE}.new {BEFORE}"
    return f"mkdir -p {HOME} && {{ [ -s {BEFORE} ] || {{ {remember}; }}; }}"


def end_install(family: str) -> str:
    """Shell: write down what has been added since `begin_install`, if anything has begun."""
    added = f"{INSTALLED[family]} >{BEFORE}.now && LC_ALL=C comm -13 {BEFORE} {BEFORE}.now"
    return (
        f"if [ -s {BEFORE} ]; then {{ cat {PACKAGES} 2>/dev/null; {added}; }} >{PACKAGES}.all && "
        f"LC_ALL=C sort -u {PACKAGES}.all >{PACKAGES}.new && sync {PACKAGES}.new && "
        f"mv {PACKAGES}.new {PACKAGES}; fi && rm -f {BEFORE} {BEFORE}.now {PACKAGES}.all"
    )


def forget_package(package: str) -> str:
    """Shell: a package that was removed; whoever installs it from now on, it is theirs."""
    return forget(PACKAGES, package)


def forget(record: str, line: str) -> str:
    """Shell: have `line` in a record no more, after what it tells of has gone."""
    others = f"grep -vxF -e {shlex.quote(line)} {record} || [ $? -eq 1 ]"
    return f"{{ {others}; }} >{record}.new && mv {record}.new {record}"


def note(record: str, line: str) -> str:
    """Shell: have `line` in a record, before what it tells of is made."""
    quoted = shlex.quote(line)
    return f"mkdir -p {HOME} && {{ grep -qsxF -e {quoted} {record} || echo {quoted} >>{record}; }}"


def note_sysctl(name: str) -> str:
    """Shell: remember a kernel setting's value before it is changed for the first time.

    + name: its path below /proc/sys, "net/core/somaxconn".
    """
    return (
        f"mkdir -p {HOME} && {{ grep -qs '^{name} ' {SYSCTLS} || "
        f'echo "{name} $(cat /proc/sys/{name})" >>{SYSCTLS}; }}'
    )
