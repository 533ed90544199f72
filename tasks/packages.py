"""The distribution's packages: what compiles nginx, what it runs with, and keepalived."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import FactBase
from pyinfra.operations import apt, dnf

from tasks.machine import Machine

# The recipe installs whole groups ("Development Tools", "Development Libraries"). These are the
# parts of them that a build of nginx uses, and PCRE2, since PCRE1 is no longer maintained.
BUILD = {
    "debian": ("gcc", "make", "libc6-dev", "libpcre2-dev", "libssl-dev", "zlib1g-dev"),
    "redhat": ("gcc", "make", "glibc-devel", "pcre2-devel", "openssl-devel", "zlib-devel"),
}
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


def install(machine: Machine) -> None:
    """Install what is missing; the package lists are fetched only if something is."""
    wanted = [*BUILD[machine.family], *RUN[machine.family]]
    names = " ".join(wanted)
    if not host.get_fact(MissingPackages, family=machine.family, names=names):
        return
    if machine.family == "debian":
        apt.update(name="Packages: fetch the lists")
        apt.packages(
            name="Packages: compiler, libraries, keepalived",
            packages=wanted,
            no_recommends=True,
            _env={"DEBIAN_FRONTEND": "noninteractive"},
        )
    else:
        dnf.packages(name="Packages: compiler, libraries, keepalived", packages=wanted)
