"""The distribution's packages: what compiles nginx, what it runs with, and keepalived."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterable, Iterator

from pyinfra import host
from pyinfra.api import FunctionCommand, Host, State, StringCommand, operation
from pyinfra.operations import apt, dnf

from controller.batched_facts import LinesFact, change, lasting, rolling
from settings import Node
from tasks.machine import install_record
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
# For so long a package manager may print nothing: it downloads, or waits for another one.
QUIET_S = 1800
# Rotates logs at their time, which systemd does itself.
WITHOUT_SYSTEMD = {"debian": ("cron",), "redhat": ("cronie",)}
# `semanage`, where SELinux is on.
SEMANAGE = "policycoreutils-python-utils"
# What the verifier asks a TLS server with.
TLS = "openssl"
# Debian's package for metrics; its service and its program have the same name.
NGINX_EXPORTER = "prometheus-nginx-exporter"
NO_QUESTIONS = "DEBIAN_FRONTEND=noninteractive"


class MissingPackages(LinesFact):
    """Which of some packages are not installed; all, while an install has not been written down."""

    def command(self, family: str, names: str) -> str:
        if family == "debian":
            asked = f"dpkg-query -W -f '${{Package}} ${{db:Status-Abbrev}}\\n' {names} 2>/dev/null"
            there = f"{asked} | sed -n 's/ ii *$//p'"
        else:
            there = f"rpm -q --queryformat '%{{NAME}}\\n' {names} 2>/dev/null"
        return (
            f"there=$({there}); for name in {names}; do "
            f'[ ! -e {install_record.BEFORE} ] && echo "$there" | grep -qx "$name" '
            '|| echo "$name"; done'
        )


def install(
    node: Node, machine: SurveyedMachine, libraries: Iterable[str], *, compiler: bool
) -> None:
    """Install what is missing; the package lists are fetched only if something is.

    + libraries: the packages that this machine's nginx needs, as far as they are known by now.
    + compiler: whether nginx will be compiled here.
    """
    family = machine.family
    choices: tuple[tuple[Iterable[str], bool], ...] = (
        (BUILD[family], compiler),
        (RUN[family], True),
        (libraries, True),
        ((NGINX_EXPORTER,), node.metrics),
        ((TLS,), node.tls),
        (BUILD_PERL[family], node.perl and compiler),
        (RUN_PERL[family], node.perl),
        ((SEMANAGE,), machine.selinux),
        (WITHOUT_SYSTEMD[family], not machine.systemd),
    )
    wanted = [name for names, needed in choices if needed for name in names]
    if not missing(machine, wanted):
        return
    if family == "debian":
        apt.update(name="Packages: fetch the lists", _timeout=QUIET_S)
    what = "Packages: keepalived, tools, libraries; a compiler where one is needed"
    add(what, family, wanted, finish=True)


def add(name: str, family: str, names: list[str], *, finish: bool = False) -> None:
    """`install_packages`, under a name, without any question to a person."""
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    install_packages(
        name=name, family=family, names=names, finish=finish, _env=env, _timeout=QUIET_S
    )


@operation()
def install_packages(
    family: str, names: list[str], *, finish: bool = False
) -> Generator[object, None, None]:
    """Install packages, and record all that came with them.

    + finish: write down what a killed install has added, also where nothing is missing any more.
    """
    inner = (
        apt.packages._inner(packages=names, no_recommends=True)
        if family == "debian"
        else dnf.packages._inner(packages=names)
    )
    commands = list(inner)
    if commands or finish:
        yield install_record.begin_install(family)
        yield from commands
        yield install_record.end_install(family)


def missing(machine: SurveyedMachine, wanted: Iterable[str]) -> list[str]:
    """Which of the packages are not installed."""
    names = " ".join(dict.fromkeys(wanted))
    return host.get_fact(MissingPackages, family=machine.family, names=names) if names else []


def install_commands(
    machine: SurveyedMachine, names: Iterable[str]
) -> Iterator[str | StringCommand]:
    """The commands that install packages, for an operation that knows only then which."""
    words = shlex.join(names)
    yield install_record.begin_install(machine.family)
    if machine.family == "debian":
        apt_get = f"{NO_QUESTIONS} apt-get -qq"
        install = f"{apt_get} update && {apt_get} install -y --no-install-recommends {words}"
    else:
        install = f"dnf install -y {words}"
    yield lasting(QUIET_S, install)
    yield install_record.end_install(machine.family)


# --- taking them away ----------------------------------------------------------------------------


def purge_on_debian(name: str) -> str:
    """Shell: take one package away with its configuration, where it is installed."""
    return f"! dpkg -s {name} >/dev/null 2>&1 || {NO_QUESTIONS} apt-get -qq purge -y {name}"


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


# Removes what nothing but our packages needs. They are marked as installed automatically, so that
# apt itself tells which; what was installed by hand since, and what that needs, stays.
PURGE = r"""
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
apt-mark auto {names} >/dev/null
plan=$(apt-get --simulate -o APT::AutoRemove::RecommendsImportant=false \
    -o APT::AutoRemove::SuggestsImportant=false autoremove)
for name in {names}; do
    ! printf '%s\n' "$plan" | grep -qF "Remv $name [" || names="$names $name"
done
purge() { apt-get -qq -o DPkg::Lock::Timeout=120 purge -y $names; }
# A power cut may have left dpkg half way.
[ -z "$names" ] || purge || { dpkg --configure -a && purge; }
for name in $names; do rm -f /var/cache/apt/archives/"$name"_*.deb; done"""
LOG = "/var/lib/tandem/packages.log"
# rpm itself says whether something else needs one of them: then all stay, and are named.
ERASE = "if rpm -e --test {names}; then dnf remove -y --noautoremove {names}; fi"


@change("no package of ours is there")
def remove(family: str) -> Iterator[StringCommand | FunctionCommand]:
    """Remove the packages that came with deploys, but for what something else needs by now."""
    found = rolling.get(RecordedPackages, family=family)
    if not found:
        return
    names = shlex.join(found)
    command = PURGE if family == "debian" else ERASE
    script = shlex.join(["sh", "-ec", f"names=; {command.replace('{names}', names)}"])
    # Into a file: a package manager whose output nobody takes any more would end half way.
    purge = f"{script} >{LOG} 2>&1 || {{ tail -n 20 {LOG} >&2; exit 1; }}"
    yield lasting(QUIET_S, purge)
    yield FunctionCommand(_log_kept, (family,), {})


def _log_kept(state: State, host: Host, family: str) -> None:
    if kept := host.get_fact(RecordedPackages, family=family):
        host.log(f"stay, because something else there needs them: {' '.join(kept)}")
