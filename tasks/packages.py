"""The distribution's packages: what compiles nginx, what it runs with, and keepalived."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.operations import apt, dnf

from tasks.machine import Machine

# The recipe installs whole groups ("Development Tools", "Development Libraries"). These are the
# parts of them that a build of nginx uses, and PCRE2, since PCRE1 is no longer maintained. Only
# machines that compile get them; what the result needs where it runs, its manifest says.
BUILD = {
    "debian": ("gcc", "make", "libc6-dev", "libpcre2-dev", "libssl-dev", "zlib1g-dev"),
    "redhat": ("gcc", "make", "glibc-devel", "pcre2-devel", "openssl-devel", "zlib-devel"),
}
# What the perl module is compiled with, and what Red Hat's libperl leaves out that nginx.pm loads.
BUILD_PERL = {
    "debian": ("libperl-dev", "perl"),
    "redhat": ("perl-devel", "perl-ExtUtils-Embed"),
}
RUN_PERL = {"debian": (), "redhat": ("perl-interpreter",)}
# curl sends the mails and is what the verifier asks other nodes with; psmisc has killall; the watch
# is written in Python; nftables hand connections over.
RUN = {
    "debian": (
        *("keepalived", "psmisc", "curl", "logrotate", "iproute2", "procps", "ntpsec-ntpdate"),
        *("python3-minimal", "nftables"),
    ),
    "redhat": (
        *("keepalived", "psmisc", "curl", "logrotate", "iproute", "procps-ng", "chrony"),
        *("python3", "nftables"),
    ),
}
# What systemd does itself: logs are rotated at their time.
WITHOUT_SYSTEMD = {"debian": ("cron",), "redhat": ("cronie",)}


# `semanage`, where SELinux is on.
SEMANAGE = "policycoreutils-python-utils"


class MissingPackages(FactBase[list[str]]):
    """Which of some packages are not installed."""

    default = list

    def command(self, family: str, names: str) -> str:
        if family == "debian":
            asked = f"dpkg-query -W -f '${{Package}} ${{db:Status-Abbrev}}\\n' {names} 2>/dev/null"
            there = f"{asked} | sed -n 's/ ii *$//p'"
        else:
            there = f"rpm -q --queryformat '%{{NAME}}\\n' {names} 2>/dev/null"
        return (
            f"there=$({there}); for name in {names}; do "
            'echo "$there" | grep -qx "$name" || echo "$name"; done'
        )

    def process(self, output: list[str]) -> list[str]:
        return output


# What the verifier asks a TLS server with.
TLS = "openssl"


def install(
    machine: Machine,
    libraries: Iterable[str],
    *,
    compiler: bool,
    perl: bool = False,
    tls: bool = False,
) -> None:
    """Install what is missing; the package lists are fetched only if something is.

    + libraries: the packages that this machine's nginx needs, as far as they are known by now.
    + compiler: whether nginx will be compiled here.
    + perl: whether it embeds perl.
    """
    wanted = [*(BUILD[machine.family] if compiler else ()), *RUN[machine.family], *libraries]
    if tls:
        wanted.append(TLS)
    if perl:
        wanted += [*(BUILD_PERL[machine.family] if compiler else ()), *RUN_PERL[machine.family]]
    if machine.selinux:
        wanted.append(SEMANAGE)
    if not machine.systemd:
        wanted += WITHOUT_SYSTEMD[machine.family]
    if not missing(machine, wanted):
        return
    name = "Packages: keepalived, tools, libraries; a compiler where one is needed"
    if machine.family == "debian":
        apt.update(name="Packages: fetch the lists")
        apt.packages(
            name=name,
            packages=wanted,
            no_recommends=True,
            _env={"DEBIAN_FRONTEND": "noninteractive"},
        )
    else:
        dnf.packages(name=name, packages=wanted)


def missing(machine: Machine, wanted: Iterable[str]) -> list[str]:
    """Which of the packages are not installed."""
    names = " ".join(dict.fromkeys(wanted))
    return host.get_fact(MissingPackages, family=machine.family, names=names) if names else []


def installing(machine: Machine, names: Iterable[str]) -> StringCommand:
    """The command that installs packages, for an operation that knows only then which."""
    words = shlex.join(names)
    if machine.family == "debian":
        apt_get = "DEBIAN_FRONTEND=noninteractive apt-get -qq"
        return StringCommand(
            f"{apt_get} update && {apt_get} install -y --no-install-recommends {words}"
        )
    return StringCommand(f"dnf install -y {words}")
