"""The distribution's packages: what compiles nginx, what it runs with, and keepalived."""

from __future__ import annotations

from pyinfra import host
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import apt, dnf

from tasks.machine import Machine

# The recipe installs whole groups ("Development Tools", "Development Libraries"). These are the
# parts of them that a build of nginx uses, and PCRE2, since PCRE1 is no longer maintained.
BUILD = {
    "debian": ("gcc", "make", "libc6-dev", "libpcre2-dev", "libssl-dev", "zlib1g-dev"),
    "redhat": ("gcc", "make", "glibc-devel", "pcre2-devel", "openssl-devel", "zlib-devel"),
}
# curl sends the mails and is what the verifier asks other nodes with; psmisc has killall; the watch
# is written in Python.
RUN = {
    "debian": (
        *("keepalived", "psmisc", "curl", "logrotate", "iproute2", "procps", "ntpsec-ntpdate"),
        "python3-minimal",
    ),
    "redhat": (
        *("keepalived", "psmisc", "curl", "logrotate", "iproute", "procps-ng", "chrony"),
        "python3",
    ),
}


def install(machine: Machine) -> None:
    """Install what is missing; the package lists are fetched only if something is."""
    if machine.family == "debian":
        wanted = [*BUILD["debian"], *RUN["debian"]]
        installed = host.get_fact(DebPackages)
        missing = [name for name in wanted if name not in installed]
        apt.update(name="Packages: fetch the lists", _if=lambda: bool(missing))
        apt.packages(
            name="Packages: compiler, libraries, keepalived",
            packages=wanted,
            no_recommends=True,
            _env={"DEBIAN_FRONTEND": "noninteractive"},
        )
    else:
        dnf.packages(
            name="Packages: compiler, libraries, keepalived",
            packages=[*BUILD["redhat"], *RUN["redhat"]],
        )
