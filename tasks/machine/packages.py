"""The distribution's packages: what compiles nginx, what it runs with, and keepalived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyinfra import host
from pyinfra.api import FunctionCommand, Host, State, StringCommand

from controller import rendering
from controller.batched_facts import LinesFact, change, lasting, rolling
from settings import Node
from tasks.machine import install_record
from tasks.machine.quoting import quoted
from tasks.machine.survey import SurveyedMachine

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
# Announces the VIP of a routed cluster, where there is no keepalived. (Red Hat's comes with EPEL.)
BIRD = {"debian": ("bird2",), "redhat": ("bird",)}
# Rotates logs at their time, which systemd does itself.
WITHOUT_SYSTEMD = {"debian": ("cron",), "redhat": ("cronie",)}
# `semanage`, where SELinux is on.
SEMANAGE = "policycoreutils-python-utils"
# What the verifier asks a TLS server with.
TLS = "openssl"
# Debian's package for metrics; its service and its program have the same name.
NGINX_EXPORTER = "prometheus-nginx-exporter"
MANAGERS = {"debian": "apt-get", "redhat": "dnf"}
# What each run of the package manager has printed; only the last one's stays, without a number.
LOGS = "/var/lib/tandem/packages.log.*"
# It tells every few seconds that it goes on. For so long it may not: a slow mirror.
SILENT_S = 300


class MissingPackages(LinesFact):
    """Which of some packages are not installed; all, while an install has not been written down."""

    def command(self, family: str, names: str) -> str:
        if family == "debian":
            asked = f"dpkg-query -W -f '${{Package}} ${{db:Status-Abbrev}}\\n' {names} 2>/dev/null"
            there = f"{asked} | sed -n 's/ [hi]i *$//p'"
        else:
            there = f"rpm -q --queryformat '%{{NAME}}\\n' {names} 2>/dev/null"
        return (
            f"there=$({there}); for name in {names}; do "
            f'[ ! -e {install_record.BEFORE} ] && echo "$there" | grep -qx "$name" '
            '|| echo "$name"; done'
        )


def install(
    node: Node, machine: SurveyedMachine, libraries: Iterable[str], *, compiler: bool
) -> list[str]:
    """Install what is missing, and return it; the lists are fetched only if something is.

    + libraries: the packages that this machine's nginx needs, as far as they are known by now.
    + compiler: whether nginx will be compiled here.
    """
    family = machine.family
    choices: tuple[tuple[Iterable[str], bool], ...] = (
        (BUILD[family], compiler),
        ((name for name in RUN[family] if not (node.routed and name == "keepalived")), True),
        (BIRD[family], node.routed),
        (libraries, True),
        ((NGINX_EXPORTER,), node.metrics),
        ((TLS,), node.tls),
        (BUILD_PERL[family], node.perl and compiler),
        (RUN_PERL[family], node.perl),
        ((SEMANAGE,), machine.selinux),
        (WITHOUT_SYSTEMD[family], not machine.systemd),
    )
    wanted = [name for names, needed in choices if needed for name in names]
    if lacking := missing(machine, wanted):
        first = "BIRD" if node.routed else "keepalived"
        install_packages(
            name=f"Packages: {first}, tools, libraries; a compiler where one is needed",
            node=node,
            family=family,
            names=wanted,
        )
    return lacking


@change("all are there")
def install_packages(node: Node, family: str, names: list[str]) -> Iterator[str | StringCommand]:
    """Install packages, and record all that came with them, also with an install that was killed.

    Somebody else's package manager is waited for, for `package_lock_wait_s`.
    """
    if host.get_fact(MissingPackages, family=family, names=" ".join(dict.fromkeys(names))):
        yield from install_commands(node, family, names)


def _run(node: Node, family: str, verb: str, names: Iterable[str]) -> StringCommand:
    """The command that runs the package manager: its program, since nothing is there yet."""
    words = (node.package_lock_wait_s, MANAGERS[family], verb, *names)
    program = rendering.read("machine/package-manager")
    return lasting(SILENT_S, quoted("sh", "-c", program, "package-manager", *words))


def missing(machine: SurveyedMachine, wanted: Iterable[str]) -> list[str]:
    """Which of the packages are not installed."""
    names = " ".join(dict.fromkeys(wanted))
    return host.get_fact(MissingPackages, family=machine.family, names=names) if names else []


def install_commands(
    node: Node, family: str, names: Iterable[str]
) -> Iterator[str | StringCommand]:
    """The commands that install packages, for an operation that knows only then which."""
    yield install_record.begin_install(family)
    yield _run(node, family, "install", names)
    yield install_record.end_install(family)


# --- taking them away ----------------------------------------------------------------------------


class RecordedPackages(LinesFact):
    """Installed packages that came with deploys.

    A killed install is written down first, or it would stay for good.
    """

    def command(self, family: str) -> str:
        there = f"LC_ALL=C comm -12 {install_record.PACKAGES} -"
        return (
            f"if [ -e {install_record.BEFORE} ]; then {install_record.end_install(family)}; fi; "
            f"if [ -e {install_record.PACKAGES} ]; then "
            f"{install_record.INSTALLED[family]} | {there}; fi; true"
        )


@change("no package of ours is there")
def remove(node: Node, family: str) -> Iterator[str | StringCommand | FunctionCommand]:
    """Remove the packages that came with deploys, but for what something else needs by now."""
    if found := rolling.get(RecordedPackages, family=family):
        yield _run(node, family, "remove", found)
        yield FunctionCommand(_log_kept, (family,), {})


def remove_one(node: Node, family: str, name: str) -> Iterator[str | StringCommand]:
    """The commands that remove a package of `RecordedPackages` while the others stay."""
    yield _run(node, family, "remove", [name])
    yield f"dpkg -s {name} >/dev/null 2>&1 || {{ {install_record.forget_package(name)}; }}"


def _log_kept(state: State, host: Host, family: str) -> None:
    if kept := host.get_fact(RecordedPackages, family=family):
        host.log(f"stay, because something else there needs them: {' '.join(kept)}")
