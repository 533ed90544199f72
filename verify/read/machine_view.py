"""One machine's answers, read when a check asks for them; what cannot be read is "cannot tell"."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

from verify.observe.routing.bird_probes import BIRD
from verify.read import (
    deploy_output,
    http_output,
    keepalived_log,
    keepalived_output,
    network_output,
    nft_output,
    nginx_output,
    storage_output,
    system_output,
    tls_output,
)
from verify.read.answers import NO_SUCH_FILE, NOT_FOUND, CannotTell, last_line, noun
from verify.read.blocks import Block
from verify.read.lists import listed
from verify.read.programs import hook_output
from verify.read.routing.routed_answers import RoutedAnswers

__all__ = ["RUNNING", "CannotTell", "MachineView"]

IP = IPv4Address | IPv6Address

# A service that runs now, and after the next boot.
RUNNING = "loaded, active, enabled"
# Where keepalived.conf should be.
NO_CONFIGURATION = ("there is none", "it is empty")


class MachineView(RoutedAnswers):
    """One machine's answers as values, by noun."""

    # --- the machine ---

    system = noun("system", system_output.system)
    interfaces = noun("addresses", system_output.interfaces)
    neighbours = noun("neighbours", system_output.neighbours)
    listeners = noun("listeners", system_output.listeners)
    udp_sockets = noun("udp_sockets", system_output.udp_sockets)
    offset = noun("offset", system_output.offset)
    kernel_limits = noun("kernel_limits", system_output.numbers)
    handover_sysctls = noun("handover_sysctls", system_output.numbers)
    promote_secondaries = noun("promote_secondaries", system_output.numbers)
    failed_units = noun("failed_units", system_output.failed_units)
    # find fails, too, when a file goes while it looks.
    secret_files = noun("secret_files", system_output.owned, may_fail=True)

    def addresses(self, ip: IP) -> tuple[system_output.Address, ...]:
        """Where the kernel carries `ip`, loopback aside: there it is not answered for."""
        return tuple(
            address
            for interface in self.interfaces.values()
            if "LOOPBACK" not in interface.flags
            for address in interface.addresses
            if address.ip == ip
        )

    def on_loopback(self, ip: IP) -> bool:
        """Whether `lo` has it, for connections that are handed over."""
        found = self.interfaces.get("lo")
        return found is not None and any(address.ip == ip for address in found.addresses)

    def handover(self, probe: str = "handover_table") -> nft_output.HandOver | None:
        """The hand-over's table, None where the machine has no such table."""
        return self.table(probe, nft_output.hand_over)

    @property
    def speakers(self) -> nft_output.SpeakersTable | None:
        """keepalived's table, None where the machine has no such table."""
        return self.table("speakers_table", nft_output.speakers)

    @property
    def scrapers(self) -> nft_output.Scrapers | None:
        """The exporters' table, None where the machine has no such table."""
        return self.table("metrics_table", nft_output.scrapers)

    def connecting(self, probe: str) -> nft_output.Connecting | None:
        """The table of clients' new connections, None where the machine has no such table."""
        return self.table(probe, nft_output.connecting)

    def carries(self, ip: IP) -> bool:
        """Whether the kernel answers for `ip`: not on loopback alone."""
        return bool(self.addresses(ip))

    _units = noun("units", system_output.units)

    def unit(self, name: str) -> Mapping[str, str]:
        """A systemd unit's properties, or what an init script has of them."""
        units = self._units
        if name not in units:
            raise CannotTell(f"{self.name} did not report the service {name}")
        return units[name]

    def service(self, name: str) -> str:
        """How a service is: RUNNING, or what it is instead."""
        unit = self.unit(name)
        states = [unit[key] for key in ("LoadState", "ActiveState", "UnitFileState")]
        unmet = [] if unit.get("ConditionResult") == "yes" else ["its condition does not hold"]
        return ", ".join(states + unmet)

    @property
    def systemd(self) -> bool:
        """Whether its services are systemd's, and not init scripts."""
        return self.unit("nginx").get("Init") != "script"

    # --- nginx ---

    @property
    def nginx_installed(self) -> bool:
        return self.told("nginx_version").status != NOT_FOUND

    @property
    def nginx_accepts(self) -> bool:
        """Whether nginx accepts its configuration. Where it does not, its test (NGX-06) says so."""
        if self.told("nginx_dump").status == 0:
            return True
        if self.configuration_is_good:
            raise CannotTell(f"nginx on {self.name} did not print its configuration")
        return False

    nginx_build = noun("nginx_version", nginx_output.build)
    # It fails where it says no.
    configuration_is_good = noun("nginx_dump", nginx_output.configuration_is_good, may_fail=True)
    nginx_test_lines = noun("nginx_dump", nginx_output.test_lines, may_fail=True)
    # What its processes run from: one, unless an upgrade is under way.
    nginx_binaries = noun("nginx_made", nginx_output.binaries)
    nginx_processes = noun("nginx_processes", nginx_output.processes)
    # By pid, and whether an upgrade has left something.
    nginx_executables = noun("nginx_binaries", nginx_output.executables)
    # It fails where a version of a library is missing, and where there is no such package.
    nginx_libraries = noun("nginx_libraries", nginx_output.missing_libraries, may_fail=True)
    nginx_packages = noun("nginx_packages", nginx_output.packages, may_fail=True)
    nginx_places = noun("nginx_places", listed)
    nginx_uid = noun("nginx_user", int)

    @cached_property
    def nginx_masters(self) -> tuple[nginx_output.Process, ...]:
        return tuple(process for process in self.nginx_processes if process.master)

    @cached_property
    def nginx_workers(self) -> tuple[nginx_output.Process, ...]:
        return tuple(process for process in self.nginx_processes if process.worker)

    nginx_dump = noun("nginx_dump", nginx_output.dump)
    nginx_files = noun("nginx_files", system_output.files, may_fail=True)

    def cache_directory(self) -> str:
        """Mode, owner and kind of the cache's directory; "" where there is none."""
        output = self.told("nginx_cache")
        if output.status and NO_SUCH_FILE in output.text:
            return ""
        return self.read("nginx_cache", str.strip)

    # What snippets name: paths, and with those of the settings servers.
    named_files = noun("named_files", nginx_output.named_files)
    asked_servers = noun("upstreams", http_output.servers)

    def stream_ports(self, whose: str = "") -> Mapping[str, str]:
        """What became of each port of streams that this machine has asked: its own and the VIPs',
        or those of another machine, by its name."""
        return self.read(f"stream_ports:{whose}" if whose else "stream_ports", http_output.ports)

    # --- TLS and sites ---

    def session(self, probe: str) -> tls_output.Session:
        """One handshake with this machine's nginx."""
        return self.read(probe, tls_output.session, may_fail=True)

    def tls(self, certificate: str) -> tls_output.Session:
        """The handshake that shows this certificate."""
        return self.session(f"tls_served:{certificate}")

    tls_keys = noun("tls_files", tls_output.keys)
    # What certificates each file has.
    tls_chains = noun("tls_chains", tls_output.chains)
    # Version and sum of each site that is there.
    sites = noun("sites", tls_output.sites)

    # --- keepalived ---

    @property
    def keepalived_installed(self) -> bool:
        return self.told("keepalived_version").status != NOT_FOUND

    @property
    def keepalived_configured(self) -> bool:
        """Whether there is a keepalived.conf, with something in it."""
        output = self.told("keepalived_conf")
        if output.status and output.text not in NO_CONFIGURATION:
            raise CannotTell(last_line(output.text))
        return not output.status

    keepalived_version = noun("keepalived_version", keepalived_output.version)
    keepalived_conf = noun("keepalived_conf", keepalived_output.configuration)
    keepalived_secrets = noun("keepalived_secret", keepalived_output.secrets)
    watch_says = noun("watch_says", keepalived_output.watch_says)
    overloads = noun("nginx_overload", keepalived_output.overloads)
    # Mode and owner.
    keepalived_file = noun("keepalived_files", system_output.one_owned)

    def vrrp(self, probe: str = "vrrp") -> keepalived_output.Vrrp:
        """keepalived's instance for the VIP, as keepalived reports it."""
        output = self.told(probe)
        if output.status:
            why = last_line(output.text)
            because = "KA-04" if self.keepalived_running else "KA-01"
            raise CannotTell(f"keepalived on {self.name} did not tell its state: {why}", because)
        found = self.read(probe, keepalived_output.instances)
        if self._place >= len(found):
            raise CannotTell(f"keepalived on {self.name} runs {len(found)} instances")
        return found[self._place]

    def vrrp_conf(self) -> Block:
        """keepalived.conf's block for the VIP. Raises `CannotTell` where there is none."""
        written = list(self.keepalived_conf.every("vrrp_instance"))
        if self._place >= len(written):
            raise CannotTell(f"keepalived.conf has {len(written)} times vrrp_instance")
        return written[self._place]

    _drains = noun("keepalived_down", keepalived_output.drains)

    @property
    def drained(self) -> bool:
        """Whether this node is drained: asked to give its address away."""
        return bool(self._drains)

    @property
    def drained_by(self) -> str:
        """The file that asks for it: a person's, or that of a deploy that was interrupted."""
        return " and ".join(self._drains)

    @property
    def can_listen(self) -> bool:
        """Whether it has Perl, or Python, to listen with."""
        return self.told("heard").status != NOT_FOUND

    @cached_property
    def heard(self) -> keepalived_output.Heard:
        """What reached this machine while it was asked."""
        output = self.told("heard")
        if output.status:
            raise CannotTell(f"{self.name} could not listen: {last_line(output.text)}")
        return self.read("heard", keepalived_output.heard)

    @property
    def keepalived_running(self) -> bool:
        return self.unit("keepalived")["ActiveState"] == "active"

    @property
    def bird_running(self) -> bool:
        return self.unit(BIRD)["ActiveState"] == "active"

    script_path_steps = noun("keepalived_scripts", keepalived_output.path_steps)
    script_runs = noun("keepalived_checks", keepalived_output.script_runs)
    log_of_keepalived = noun("keepalived_log", keepalived_log.log)
    hooks = noun("hooks", hook_output.hooks)
    hook_runs = noun("hook_runs", hook_output.hook_runs)
    keepalived_watches = noun("keepalived_watches", keepalived_log.watches)

    # --- its upkeep, and its way out ---

    # df fails, too, where a place is not there.
    file_systems = noun("disks", storage_output.file_systems)
    logs = noun("logs", storage_output.logs)
    rotation_run = noun("rotation_run", storage_output.rotation_run)
    # None where nothing is written down.
    last_deploy = noun("last_deploy", deploy_output.last_deploy)
    # None where the last run was no rollback.
    rolled_back = noun("rolled_back", deploy_output.rolled_back)
    identity = noun("identity", network_output.identity)
    # `ip` fails where one of the ways is not there.
    routes = noun("routes", network_output.routes, may_fail=True)
    vip_mentions = noun("vip_files", network_output.mentions)
