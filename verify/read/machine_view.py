"""One machine's answers, read when a check asks for them; what cannot be read is "cannot tell"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.message import Message
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from verify.observe.probe import of_vip
from verify.read import (
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
from verify.read.blocks import Block
from verify.snapshot import ClockOffset, HostAnswers, ProbeOutput

T = TypeVar("T")
IP = IPv4Address | IPv6Address

NOT_FOUND = 127
# A service that runs now, and after the next boot.
RUNNING = "loaded, active, enabled"
_CURL_STATUS = {7: "connection refused", 28: "no answer in time", 52: "an empty answer"}


class CannotTell(Exception):
    """The machine's answers do not say. Raised by what reads them; the judge makes it a finding."""


def _noun(probe: str, parse: Callable[[str], T], *, whole: bool = False) -> cached_property[T]:
    """What a probe printed, as a value that is read when it is first asked for."""
    return cached_property(lambda machine: machine._read(probe, parse, whole=whole))


class MachineView:
    """One machine's answers as values, by noun.

    Where its cluster has several VIPs: those about the VIP at `place`, which counts from 0.
    """

    def __init__(self, answers: HostAnswers, place: int = 0):
        self._answers = answers
        self._place = place
        self.name = answers.host
        self.problem = answers.problem

    @property
    def clock(self) -> ClockOffset:
        if self._answers.clock is None:
            raise CannotTell("its clock was not read")
        return self._answers.clock

    def output(self, probe: str) -> ProbeOutput:
        """A probe's answer as it came. Raises `CannotTell` where there is none."""
        outputs = self._answers.outputs
        output = outputs.get(of_vip(probe, self._place)) or outputs.get(probe)
        if output is None:
            raise CannotTell(f"{self.name} did not answer this question")
        if output.problem:
            raise CannotTell(f"{self.name} {output.problem}")
        return output

    def text(self, probe: str) -> str:
        """A probe's answer, for probes whose program every machine should have."""
        output = self.output(probe)
        if output.status == NOT_FOUND:
            raise CannotTell(_last_line(output.text) or "a program is missing")
        return output.text

    def _read(self, probe: str, parse: Callable[[str], T], *, whole: bool = False) -> T:
        """`whole`: a command that failed has printed a complaint, and nothing to be parsed."""
        text = self.text(probe)
        if whole and self.output(probe).status:
            raise CannotTell(_last_line(text) or f"{self.name} printed nothing")
        try:
            return parse(text)
        except (ValueError, LookupError, TypeError) as error:
            shown = _last_line(text) or "nothing"
            raise CannotTell(f"{self.name} answered {shown!r} ({error})") from error

    # --- the machine ---

    system = _noun("system", system_output.system)
    interfaces = _noun("addresses", system_output.interfaces)
    neighbours = _noun("neighbours", system_output.neighbours)
    listeners = _noun("listeners", system_output.listeners)
    offset = _noun("offset", system_output.offset)
    kernel_limits = _noun("kernel_limits", system_output.numbers)

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
        return self._table(probe, nft_output.hand_over)

    @property
    def speakers(self) -> nft_output.Speakers | None:
        """keepalived's table, None where the machine has no such table."""
        return self._table("speakers_table", nft_output.speakers)

    @property
    def scrapers(self) -> nft_output.Scrapers | None:
        """The exporters' table, None where the machine has no such table."""
        return self._table("metrics_table", nft_output.scrapers)

    def _table(self, probe: str, parse: Callable[[str], T]) -> T | None:
        """A table of nftables. Raises `CannotTell` where nft printed no JSON."""
        output = self.output(probe)
        if output.status and "JSON" in output.text:
            raise CannotTell(f"nft on {self.name} cannot print JSON: {_last_line(output.text)}")
        if output.text.startswith("table "):
            raise CannotTell("this snapshot is of an earlier version, which did not ask for JSON")
        return None if output.status else self._read(probe, parse)

    def carries(self, ip: IP) -> bool:
        """Whether the kernel answers for `ip`: not on loopback alone."""
        return bool(self.addresses(ip))

    def unit(self, name: str) -> Mapping[str, str]:
        """A systemd unit's properties, or what an init script has of them."""
        units = self._read("units", system_output.units, whole=True)
        if name not in units:
            raise CannotTell(f"{self.name} did not report the service {name}")
        return units[name]

    def service(self, name: str) -> str:
        """How a service is: RUNNING, or what it is instead."""
        unit = self.unit(name)
        states = [unit.get(key, "") for key in ("LoadState", "ActiveState", "UnitFileState")]
        unmet = [] if unit.get("ConditionResult") == "yes" else ["its condition does not hold"]
        return ", ".join(states + unmet)

    @property
    def systemd(self) -> bool:
        """Whether its services are systemd's, and not init scripts."""
        return self.unit("nginx").get("Init") != "script"

    # --- nginx ---

    @property
    def nginx_installed(self) -> bool:
        return self.output("nginx_version").status != NOT_FOUND

    nginx_build = _noun("nginx_version", nginx_output.build)
    # What its processes run from: one, unless an upgrade is under way.
    nginx_binaries = _noun("nginx_made", nginx_output.binaries)
    nginx_processes = _noun("nginx_processes", nginx_output.processes)

    @cached_property
    def nginx_masters(self) -> tuple[nginx_output.Process, ...]:
        return tuple(process for process in self.nginx_processes if process.master)

    @cached_property
    def nginx_workers(self) -> tuple[nginx_output.Process, ...]:
        return tuple(process for process in self.nginx_processes if process.worker)

    nginx_dump = _noun("nginx_dump", nginx_output.dump, whole=True)
    nginx_files = _noun("nginx_files", system_output.files)

    def asked(self, probe: str, *, timed: bool = False) -> http_output.Response:
        """The HTTP answer that this machine got. Raises `CannotTell` without curl."""
        text = self.text(probe)
        if status := self.output(probe).status:
            return http_output.Response(
                0, Message(), _CURL_STATUS.get(status, f"curl exit {status}")
            )
        return self._read(probe, lambda _: http_output.response(text, timed=timed))

    # --- TLS and sites ---

    def session(self, probe: str) -> tls_output.Session:
        """One handshake with this machine's nginx."""
        return self._read(probe, tls_output.session)

    def tls(self, certificate: str) -> tls_output.Session:
        """The handshake that shows this certificate."""
        return self.session(f"tls_served:{certificate}")

    tls_keys = _noun("tls_files", tls_output.keys)
    # What certificates each file has.
    tls_chains = _noun("tls_chains", tls_output.chains)
    # Version and sum of each site that is there.
    sites = _noun("sites", tls_output.sites)

    # --- keepalived ---

    @property
    def keepalived_installed(self) -> bool:
        return self.output("keepalived_version").status != NOT_FOUND

    keepalived_version = _noun("keepalived_version", keepalived_output.version)
    keepalived_conf = _noun("keepalived_conf", keepalived_output.configuration, whole=True)

    def vrrp(self, probe: str = "vrrp") -> keepalived_output.Vrrp:
        """keepalived's instance for the VIP, as keepalived reports it."""
        output = self.output(probe)
        if output.status:
            raise CannotTell(f"keepalived on {self.name} did not write its state when asked")
        found = self._read(probe, keepalived_output.instances)
        if self._place >= len(found):
            raise CannotTell(f"keepalived on {self.name} runs {len(found)} instances")
        return found[self._place]

    def vrrp_conf(self) -> Block:
        """keepalived.conf's block for the VIP. Raises `CannotTell` where there is none."""
        written = list(self.keepalived_conf.every("vrrp_instance"))
        if self._place >= len(written):
            raise CannotTell(f"keepalived.conf has {len(written)} times vrrp_instance")
        return written[self._place]

    @cached_property
    def drained(self) -> bool:
        """Whether this node is drained: asked to give its address away."""
        return self.output("keepalived_down").status == 0

    @property
    def drained_by(self) -> str:
        """The file that asks for it: a person's, or that of a deploy that was interrupted."""
        return " and ".join(self.output("keepalived_down").text.split())

    @cached_property
    def heard(self) -> keepalived_output.Heard:
        """What reached this machine while it was asked."""
        output = self.output("heard")
        if output.status:
            raise CannotTell(f"{self.name} could not listen: {_last_line(output.text)}")
        return self._read("heard", keepalived_output.heard)

    @property
    def keepalived_running(self) -> bool:
        return self.unit("keepalived").get("ActiveState") == "active"

    script_path_steps = _noun("keepalived_scripts", keepalived_output.path_steps)
    script_runs = _noun("keepalived_checks", keepalived_output.script_runs)
    log_of_keepalived = _noun("keepalived_log", keepalived_log.log, whole=True)
    keepalived_watches = _noun("keepalived_watches", keepalived_log.watches, whole=True)

    # --- its upkeep, and its way out ---

    file_systems = _noun("disks", storage_output.file_systems)
    logs = _noun("logs", storage_output.logs, whole=True)
    rotation_run = _noun("rotation_run", storage_output.rotation_run, whole=True)
    identity = _noun("identity", network_output.identity, whole=True)
    routes = _noun("routes", network_output.routes)
    vip_mentions = _noun("vip_files", network_output.mentions, whole=True)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
