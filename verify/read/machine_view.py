"""One machine, read out of its look when a check asks; what cannot be read is "cannot tell"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from verify.checks.check import CannotTell
from verify.observe import probes
from verify.read import keepalived_output, nginx_output, system_output, tls_output
from verify.snapshot import Clock, Look, Section

T = TypeVar("T")
IP = IPv4Address | IPv6Address

NOT_FOUND, TIMED_OUT = 127, 124
_CURL_STATUS = {7: "connection refused", 28: "no answer in time", 52: "an empty answer"}


class Machine:
    """What was seen of one machine, by noun; where it has several VIPs, of the one at `place`."""

    def __init__(self, look: Look, place: int = 0):
        self._look = look
        self._place = place
        self.name = look.host
        self.problem = look.problem

    @property
    def clock(self) -> Clock:
        if self._look.clock is None:
            raise CannotTell("its clock was not read")
        return self._look.clock

    def section(self, probe: str) -> Section:
        """A probe's answer as it came. Raises `CannotTell` where there is none."""
        sections = self._look.sections
        section = sections.get(probes.of_vip(probe, self._place)) or sections.get(probe)
        if section is None:
            raise CannotTell(f"{self.name} did not answer this question")
        if section.status == TIMED_OUT:
            raise CannotTell(f"{self.name} did not answer in time")
        return section

    def text(self, probe: str) -> str:
        """A probe's answer, for probes whose program every machine should have."""
        section = self.section(probe)
        if section.status == NOT_FOUND:
            raise CannotTell(_last_line(section.text) or "a program is missing")
        return section.text

    def _read(self, probe: str, parse: Callable[[str], T], *, whole: bool = False) -> T:
        """`whole`: a command that failed has printed a complaint, and nothing to be parsed."""
        text = self.text(probe)
        if whole and self.section(probe).status:
            raise CannotTell(_last_line(text) or f"{self.name} printed nothing")
        try:
            return parse(text)
        except (ValueError, LookupError, TypeError) as error:
            said = _last_line(text) or "nothing"
            raise CannotTell(f"{self.name} answered {said!r} ({error})") from error

    # --- the machine ---

    @cached_property
    def system(self) -> system_output.System:
        return self._read("system", system_output.system)

    @cached_property
    def interfaces(self) -> Mapping[str, system_output.Interface]:
        return self._read("addresses", system_output.interfaces)

    @cached_property
    def neighbours(self) -> Mapping[IP, str]:
        return self._read("neighbours", system_output.neighbours)

    @cached_property
    def listeners(self) -> tuple[system_output.Listener, ...]:
        return self._read("listeners", system_output.listeners)

    @cached_property
    def offset(self) -> system_output.Offset:
        return self._read("offset", system_output.offset)

    @cached_property
    def kernel_limits(self) -> Mapping[str, int]:
        return self._read("kernel_limits", system_output.numbers)

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

    def handover(self, probe: str = "handover_table") -> system_output.HandOver:
        """The hand-over's table. Raises `CannotTell` where there is none."""
        return self._read(probe, system_output.hand_over, whole=True)

    @property
    def speakers(self) -> system_output.Speakers:
        """keepalived's table. Raises `CannotTell` where there is none."""
        return self._read("speakers_table", system_output.speakers, whole=True)

    def carries(self, ip: IP) -> bool:
        return bool(self.addresses(ip))

    def unit(self, name: str) -> Mapping[str, str]:
        """A systemd unit's properties, or what an init script has of them."""
        units = self._read("units", system_output.units, whole=True)
        if name not in units:
            raise CannotTell(f"{self.name} says nothing about the service {name}")
        return units[name]

    @property
    def systemd(self) -> bool:
        """Whether its services are systemd's, and not init scripts."""
        return self.unit("nginx").get("Init") != "script"

    # --- nginx ---

    @property
    def nginx_installed(self) -> bool:
        return self.section("nginx_version").status != NOT_FOUND

    @cached_property
    def nginx_build(self) -> nginx_output.Build:
        return self._read("nginx_version", nginx_output.build)

    @cached_property
    def nginx_binaries(self) -> tuple[nginx_output.Binary, ...]:
        """What its processes run from: one, unless an upgrade is under way."""
        return self._read("nginx_made", nginx_output.binaries)

    @cached_property
    def nginx_processes(self) -> tuple[nginx_output.Process, ...]:
        return self._read("nginx_processes", nginx_output.processes)

    @cached_property
    def nginx_masters(self) -> tuple[nginx_output.Process, ...]:
        return tuple(process for process in self.nginx_processes if process.master)

    @cached_property
    def nginx_workers(self) -> tuple[nginx_output.Process, ...]:
        return tuple(process for process in self.nginx_processes if process.worker)

    @cached_property
    def nginx_dump(self) -> nginx_output.Dump:
        return self._read("nginx_dump", nginx_output.dump, whole=True)

    @cached_property
    def nginx_files(self) -> tuple[system_output.File, ...]:
        return self._read("nginx_files", system_output.files)

    def asked(self, probe: str, *, timed: bool = False) -> system_output.Response:
        """The HTTP answer that this machine got. Raises `CannotTell` without curl."""
        text = self.text(probe)
        if status := self.section(probe).status:
            return system_output.Response(0, {}, _CURL_STATUS.get(status, f"curl exit {status}"))
        return self._read(probe, lambda _: system_output.response(text, timed=timed))

    # --- TLS and sites ---

    def session(self, probe: str) -> tls_output.Session:
        """One handshake with this machine's nginx."""
        return self._read(probe, tls_output.session)

    def tls(self, certificate: str) -> tls_output.Session:
        """The handshake that shows this certificate."""
        return self.session(f"tls_served:{certificate}")

    @property
    def tls_keys(self) -> tuple[tls_output.Key, ...]:
        return self._read("tls_files", tls_output.keys)

    @property
    def sites(self) -> Mapping[str, tuple[str, str]]:
        """Version and sum of each site that is there."""
        return self._read("sites", tls_output.sites)

    # --- keepalived ---

    @property
    def keepalived_installed(self) -> bool:
        return self.section("keepalived_version").status != NOT_FOUND

    @cached_property
    def keepalived_version(self) -> tuple[str, bool]:
        return self._read("keepalived_version", keepalived_output.version)

    @cached_property
    def keepalived_conf(self) -> keepalived_output.Block:
        return self._read("keepalived_conf", keepalived_output.configuration, whole=True)

    def vrrp(self, probe: str = "vrrp") -> keepalived_output.Vrrp:
        """keepalived's instance for the VIP, as it says itself."""
        section = self.section(probe)
        if section.status:
            raise CannotTell(f"keepalived on {self.name} did not write its state when asked")
        found = self._read(probe, keepalived_output.instances)
        if self._place >= len(found):
            raise CannotTell(f"keepalived on {self.name} runs {len(found)} instances")
        return found[self._place]

    def vrrp_conf(self) -> keepalived_output.Block:
        """keepalived.conf's block for the VIP. Raises `CannotTell` where there is none."""
        written = list(self.keepalived_conf.every("vrrp_instance"))
        if self._place >= len(written):
            raise CannotTell(f"keepalived.conf has {len(written)} times vrrp_instance")
        return written[self._place]

    @cached_property
    def drained(self) -> bool:
        """Whether this node was asked to hand its address over."""
        return self.section("keepalived_down").status == 0

    @property
    def drained_by(self) -> str:
        """The file that asks for it: a person's, or a deploy's that did not come to its end."""
        return " and ".join(self.section("keepalived_down").text.split())

    @cached_property
    def _heard(self) -> tuple[tuple[keepalived_output.Advert, ...], frozenset[str]]:
        section = self.section("heard")
        if section.status:
            raise CannotTell(f"{self.name} could not listen: {_last_line(section.text)}")
        return self._read("heard", keepalived_output.heard)

    @property
    def adverts(self) -> tuple[keepalived_output.Advert, ...]:
        """The VRRP adverts that reached this machine while it was asked."""
        return self._heard[0]

    @property
    def vip_macs(self) -> frozenset[str]:
        """The MACs that answered this machine's question who has the VIP."""
        return self._heard[1]

    @property
    def keepalived_running(self) -> bool:
        return self.unit("keepalived").get("ActiveState") == "active"

    @cached_property
    def script_parts(self) -> tuple[keepalived_output.Part, ...]:
        return self._read("keepalived_scripts", keepalived_output.path_parts)

    @cached_property
    def script_runs(self) -> tuple[keepalived_output.ScriptRun, ...]:
        return self._read("keepalived_checks", keepalived_output.script_runs)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
