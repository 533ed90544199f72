"""What each machine is, surveyed once before anything is changed; and why it cannot be its node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from itertools import chain
from typing import Any, Literal

from pyinfra import logger
from pyinfra.api import FactBase, Host, State
from pyinfra.api.exceptions import FactProcessError

import settings
from controller import all_hosts, artifact
from settings import Bars, Mistake, Node, SettingsError
from settings.mistakes import vip_mistakes
from tasks.machine.others import check_commands, former_members, port_holders, strangers

# Where builds of nginx are, each in a directory of its own.
BUILDS = "/usr/lib/tandem/nginx"
# What its turn puts there, and no deploy before.
NGINX, KEEPALIVED_CONF = "/usr/sbin/nginx", "/etc/keepalived/keepalived.conf"
# What a deploy puts below /usr and /var beside its build, which checks for itself.
NEEDED_MB = 50
# What a deploy starts. Somebody who has masked one of them means it: they are asked, not overruled.
STARTED = ("nginx", "keepalived", "bird", "tandem-watch", "tandem-handover")
HANDOVER_UNIT = "/etc/systemd/system/tandem-handover.service"
# What PID 1 may be called.
INITS = SYSTEMD, SYSV = ("systemd", "init")
# The first release of a distribution whose keepalived has `down_timer_adverts` (2.2.3); of the Red
# Hat family it is 9.
COUNTS_ADVERTS = {"debian": 12, "ubuntu": 22}
CAP_SYS_RESOURCE = 24  # its bit, from capabilities(7)


@dataclass(frozen=True)
class SurveyedMachine:
    """What a survey found of one machine. `interfaces` maps a name to its addresses.

    `builds` are the builds of nginx that are there, whole, by name; `compiler` says whether it has
    what compiles one; `raises_limits` whether its root may raise resource limits (not so in some
    containers), and `max_files` how many files its services may open where not, 0 for any. `peers`
    are the addresses that its keepalived sends adverts to, or its hand-over gives segments.
    `serves` says whether nginx or keepalived was ever put into service there, by a deploy or else;
    `masked` are those of `STARTED` that systemd is told never to start. `macs` are its own, and
    `answers` what the network said of VIPs that are new to it. `commands` are those of own checks,
    `ports` who listens where nginx is to.
    """

    distribution: str
    family: Literal["debian", "redhat", ""]
    platform: str
    init: str
    container: bool
    cpus: int
    free_mb: int
    selinux: bool
    foreign_nginx: bool
    raises_limits: bool
    interfaces: dict[str, tuple[IPv4Interface | IPv6Interface, ...]]
    compiler: bool
    peers: frozenset[str]
    serves: bool
    builds: Mapping[str, artifact.BuildManifest]
    max_files: int = 0
    masked: tuple[str, ...] = ()
    macs: frozenset[str] = frozenset()
    answers: tuple[strangers.Reply, ...] = ()
    commands: tuple[check_commands.FoundCommand, ...] = ()
    ports: tuple[port_holders.PortHolder, ...] = ()

    @property
    def reachable(self) -> frozenset[IPv4Address | IPv6Address]:
        """The addresses by which others reach it: a VIP that is on `lo` only, it does not hold."""
        on = (found for name, found in self.interfaces.items() if name != "lo")
        return frozenset(each.ip for found in on for each in found)

    @property
    def ident(self) -> str:
        """The distribution's short name, ID in its os-release: "ubuntu"."""
        return self.platform.split("-")[0]

    @property
    def release(self) -> int:
        """The distribution's major version; 0 where it has none."""
        number = self.platform.split("-")[1].partition(".")[0]
        return int(number) if number.isdigit() else 0

    @property
    def systemd(self) -> bool:
        """Whether systemd manages its services, and not init scripts."""
        return self.init == SYSTEMD


# Each build's name and manifest on one line. A binary that was changed since it was put there (its
# ctime is another: nobody can set that, and no clock that is set makes it the same) must still have
# the sum that is written in the manifest; all sums, each time, would cost a deploy more than all
# its other questions.
LIST_BUILDS = rf"""
for build in {BUILDS}/*/; do
    build=${{build%/}} manifest=${{build%/}}/MANIFEST.json
    [ -x "$build/nginx" ] && [ -f "$build/mime.types" ] && [ -f "$manifest" ] || continue
    seen=$(stat -c '%s %.9Z' "$build/nginx" "$manifest")
    if [ "$seen" != "$(cat "$build/.seen" 2>/dev/null)" ]; then
        sum=$(sha256sum <"$build/nginx" | cut -c 1-64)
        grep -q "\"nginx\": \"$sum\"" "$manifest" || continue
    fi
    echo "${{build##*/}} $(tr -d '\n' <"$manifest")"
done"""


class Survey(FactBase[SurveyedMachine]):
    """Everything `SurveyedMachine` holds, in one round trip, with tools that every machine has."""

    def command(
        self,
        new_vips: tuple[strangers.Question, ...] = (),
        commands: tuple[str, ...] = (),
        ports: tuple[port_holders.Port, ...] = (),
    ) -> str:
        steps = (
            '. /etc/os-release && echo "$ID|$ID_LIKE|$VERSION_ID|$PRETTY_NAME"',
            "uname -m",
            "cat /proc/1/comm",
            "if command -v systemd-detect-virt >/dev/null; then systemd-detect-virt --container; "
            "else tr '\\0' '\\n' </proc/1/environ | sed -n 's/^container=//p'; fi || true",
            "nproc",
            "df -Pk /usr | tail -n 1",
            "cat /sys/fs/selinux/enforce 2>/dev/null || true",
            # Anything here but our own link is somebody else's nginx.
            f"case $(readlink {NGINX}) in /usr/lib/tandem/*) ;; "
            f"*) ls {NGINX} 2>/dev/null ;; esac; true",
            "sed -n 's/^CapBnd:[[:space:]]*//p' /proc/1/status; "
            "sed -n 's/^Max open files *[^ ]* *\\([0-9]*\\) .*/\\1/p' /proc/1/limits",
            "ip -j address show || true",
            "command -v gcc >/dev/null && command -v make || true",
            f"sed -n '/unicast_peer/,/}}/p' {KEEPALIVED_CONF} 2>/dev/null; "
            f"grep -o -e '--mesh [0-9.]*' {HANDOVER_UNIT} 2>/dev/null | cut -d ' ' -f 2; true",
            f"ls {NGINX} {KEEPALIVED_CONF} 2>/dev/null || true",
            LIST_BUILDS,
            strangers.shell(new_vips, KEEPALIVED_CONF) if new_vips else "true",
            check_commands.shell(commands) if commands else "true",
            port_holders.shell(ports) if ports else "true",
            f"for unit in {' '.join(STARTED)}; do "
            "case $(readlink /etc/systemd/system/$unit.service /run/systemd/system/$unit.service) "
            "in */dev/null*) echo $unit ;; esac; done",
        )
        return "; echo @; ".join(steps)

    def process(self, output: list[str]) -> SurveyedMachine:
        try:
            return parse_survey("\n".join(output))
        except (ValueError, IndexError, KeyError) as error:
            raise FactProcessError(f"this machine's survey cannot be read: {error}") from error


def parse_survey(text: str) -> SurveyedMachine:
    """The machine that `Survey`'s output describes."""
    parts = [part.strip() for part in re.split(r"^@$", text, flags=re.MULTILINE)]
    release, arch, init, container, cpus, free, selinux, foreign, *more = parts
    capabilities, addresses, make, peers, serves, builds, answers, commands, ports, masked = more
    if not addresses:
        raise ValueError("there is no `ip`; install its package (iproute2, or iproute)")
    ident, like, version, pretty = release.split("|")
    names = {ident, *like.split()}
    family: Literal["debian", "redhat", ""] = ""
    if "debian" in names:
        family = "debian"
    elif names & {"rhel", "fedora", "centos"}:
        family = "redhat"
    return SurveyedMachine(
        distribution=pretty,
        family=family,
        platform=f"{ident}-{version}-{arch}",
        init=init,
        container=container not in ("", "none"),
        cpus=int(cpus),
        free_mb=int(free.split()[3]) // 1024,
        selinux=bool(selinux),
        foreign_nginx=bool(foreign),
        raises_limits=bool(int(capabilities.split()[0], 16) >> CAP_SYS_RESOURCE & 1),
        interfaces={name: tuple(found) for name, found in _addresses(json.loads(addresses))},
        compiler=bool(make),
        peers=frozenset(re.findall(r"^\s*([\da-f]+[.:][\da-f.:]+)\s*$", peers, re.MULTILINE)),
        serves=bool(serves),
        builds={manifest.build: manifest for manifest in _builds(builds)},
        max_files=int(" ".join(capabilities.split()[1:]) or 0),
        masked=tuple(masked.split()),
        macs=frozenset(link["address"] for link in json.loads(addresses) if "address" in link),
        answers=strangers.answers(answers),
        commands=check_commands.commands(commands),
        ports=port_holders.holders(ports),
    )


def _builds(lines: str) -> Iterator[artifact.BuildManifest]:
    """What is no manifest is no build: it is made again."""
    for line in lines.splitlines():
        name, _, text = line.partition(" ")
        with suppress(ValueError):
            manifest = artifact.BuildManifest.model_validate_json(text)
            if manifest.build == name:
                yield manifest


def _addresses(
    links: list[dict[str, Any]],
) -> Iterator[tuple[str, list[IPv4Interface | IPv6Interface]]]:
    for link in links:
        yield (
            link["ifname"],
            [
                ip_interface(f"{address['local']}/{address['prefixlen']}")
                for address in link.get("addr_info", ())
                if address.get("family") in ("inet", "inet6")
            ],
        )


def mismatches(node: Node, machine: SurveyedMachine) -> Iterator[Mistake]:
    """Why `machine` cannot be `node`; none if it can."""
    wrong = partial(Mistake, node.name)
    redhat = machine.family == "redhat"
    if not machine.family:
        remedy = "Tandem knows the Debian and the Red Hat family"
        yield wrong("distribution", machine.distribution, remedy)
    if machine.init not in INITS:
        yield wrong("init", machine.init, "Tandem knows systemd and SysV's init as PID 1")
    elif node.routed and not machine.systemd:
        remedy = 'with spread = "bgp" units of systemd keep BIRD and what tells it; use "vrrp"'
        yield wrong("init", machine.init, remedy)
    counts_since = COUNTS_ADVERTS.get(machine.ident, 9 if redhat else 0)
    adverts = 3 if node.routed else node.silence_adverts
    if 0 < machine.release < counts_since and adverts != 3:
        remedy = "the keepalived of this release knows VRRP's own 3 only: missed_adverts = 3"
        yield wrong("missed_adverts", adverts, remedy)
    if node.metrics and (redhat or not machine.systemd):
        remedy = (
            "no package of this family has nginx's exporter; metrics = False for this machine, and "
            "docs/metrics.md says what to scrape instead"
            if redhat
            else "the exporters are kept by systemd, which this machine has not; metrics = False"
        )
        yield wrong("metrics", node.metrics, remedy)
    yield from vip_mistakes.of_machine(node, machine.interfaces)
    others = "keepalived" if node.routed else "bird"  # another profile's
    if machine.foreign_nginx:
        remedy = "another nginx is installed there; remove its package (apt-get remove nginx)"
        yield wrong("nginx", NGINX, remedy)
    for name in (each for each in machine.masked if each != others):
        remedy = f"'systemctl unmask {name}' there, if it may be started from now on"
        yield wrong("masked", f"{name}.service", remedy)
    if not machine.raises_limits and 0 < machine.max_files < node.files_limit:
        remedy = (
            f"this container may have {machine.max_files} files open and cannot raise that: give "
            f"{machine.max_files // 2} or less"
        )
        yield wrong("worker_connections", node.worker_connections, remedy)
    if machine.free_mb < NEEDED_MB:
        remedy = f"{NEEDED_MB} MB are needed under /usr; make room"
        yield wrong("free_mb", machine.free_mb, remedy)
    yield from check_commands.unfit(node, machine.commands, machine.ident, machine.release)
    yield from port_holders.strange(node, machine.ports)


def of(host: Host) -> SurveyedMachine:
    """This host's machine. Raises `SettingsError` as `all_machines` does."""
    return all_machines(host)[host.name]


def all_machines(host: Host, least: Bars = Bars.DEPLOY) -> dict[str, SurveyedMachine]:
    """All machines of this run by name, surveyed once, in parallel.

    Raises `SettingsError` with every mismatch of any of them that bars so much, before anything is
    changed.
    """
    return all_hosts.run_once(host, Survey, partial(_survey_all, least))


def _survey_all(least: Bars, state: State) -> dict[str, SurveyedMachine]:
    def arguments(host: Host) -> dict[str, Any]:
        node, cluster = settings.of(host)
        commands = tuple(dict.fromkeys(check.command[0] for check in node.checks))
        return {
            "new_vips": strangers.questions(node, cluster),
            "commands": commands,
            "ports": tuple(port_holders.settings_of(node)),
        }

    machines = all_hosts.get_facts(state, Survey, arguments)
    hosts = [host for host in state.inventory if host.name in machines]
    mistakes: list[Mistake] = []
    for host in hosts:
        node, cluster = settings.of(host)
        machine = machines[host.name]
        found = chain(
            mismatches(node, machine),
            dict.fromkeys(vip_mistakes.of_hearing(node, cluster, machine.interfaces)),
        )
        mistakes += (mistake for mistake in found if mistake.bars >= least)
    macs = frozenset(mac for machine in machines.values() for mac in machine.macs)
    said = [(settings.of(host)[0], machines[host.name].answers) for host in hosts]
    mistakes += strangers.found_by_all(settings.clusters(state.inventory), said, macs)
    # (Of a machine that had another of its addresses for this, and keeps it, nobody need be told.)
    own = {str(each) for machine in machines.values() for each in machine.reachable}
    peers = {name: machine.peers - own for name, machine in machines.items()}
    if mistakes := mistakes or list(former_members.found(state, peers)):
        raise SettingsError(mistakes)
    for notice in {settings.of(host)[0].notice for host in hosts} - {""}:
        logger.warning(notice)
    for cluster in settings.clusters(state.inventory):
        for warning in settings.warnings(cluster):
            logger.warning(warning)
    return machines
