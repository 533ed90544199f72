"""One machine, read out of its look when a check asks; what cannot be read is "cannot tell"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from verify import parse_keepalived, parse_nginx, parse_system, probes
from verify.gathering import Clock, Look, Section
from verify.model import CannotTell

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
    def system(self) -> parse_system.System:
        return self._read("system", parse_system.system)

    @cached_property
    def interfaces(self) -> Mapping[str, parse_system.Interface]:
        return self._read("addresses", parse_system.interfaces)

    @cached_property
    def neighbours(self) -> Mapping[IP, str]:
        return self._read("neighbours", parse_system.neighbours)

    @cached_property
    def listeners(self) -> tuple[parse_system.Listener, ...]:
        return self._read("listeners", parse_system.listeners)

    @cached_property
    def offset(self) -> parse_system.Offset:
        return self._read("offset", parse_system.offset)

    def addresses(self, ip: IP) -> tuple[parse_system.Address, ...]:
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

    def handover(self, probe: str = "handover_table") -> parse_system.HandOver:
        """The hand-over's table. Raises `CannotTell` where there is none."""
        return self._read(probe, parse_system.hand_over, whole=True)

    @property
    def speakers(self) -> parse_system.Speakers:
        """keepalived's table. Raises `CannotTell` where there is none."""
        return self._read("speakers_table", parse_system.speakers, whole=True)

    def carries(self, ip: IP) -> bool:
        return bool(self.addresses(ip))

    def unit(self, name: str) -> Mapping[str, str]:
        """A systemd unit's properties, or what an init script has of them."""
        units = self._read("units", parse_system.units, whole=True)
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
    def nginx_build(self) -> parse_nginx.Build:
        return self._read("nginx_version", parse_nginx.build)

    @cached_property
    def nginx_binaries(self) -> tuple[parse_nginx.Binary, ...]:
        """What its processes run from: one, unless an upgrade is under way."""
        return self._read("nginx_made", parse_nginx.binaries)

    @cached_property
    def nginx_processes(self) -> tuple[parse_nginx.Process, ...]:
        return self._read("nginx_processes", parse_nginx.processes)

    @cached_property
    def nginx_masters(self) -> tuple[parse_nginx.Process, ...]:
        return tuple(process for process in self.nginx_processes if process.master)

    @cached_property
    def nginx_workers(self) -> tuple[parse_nginx.Process, ...]:
        return tuple(process for process in self.nginx_processes if process.worker)

    @cached_property
    def nginx_dump(self) -> parse_nginx.Dump:
        return self._read("nginx_dump", parse_nginx.dump, whole=True)

    @cached_property
    def nginx_files(self) -> tuple[parse_system.File, ...]:
        return self._read("nginx_files", parse_system.files)

    def asked(self, probe: str, *, timed: bool = False) -> parse_system.Response:
        """The HTTP answer that this machine got. Raises `CannotTell` without curl."""
        text = self.text(probe)
        if status := self.section(probe).status:
            return parse_system.Response(0, {}, _CURL_STATUS.get(status, f"curl exit {status}"))
        return self._read(probe, lambda _: parse_system.response(text, timed=timed))

    # --- keepalived ---

    @property
    def keepalived_installed(self) -> bool:
        return self.section("keepalived_version").status != NOT_FOUND

    @cached_property
    def keepalived_version(self) -> tuple[str, bool]:
        return self._read("keepalived_version", parse_keepalived.version)

    @cached_property
    def keepalived_conf(self) -> parse_keepalived.Block:
        return self._read("keepalived_conf", parse_keepalived.configuration, whole=True)

    def vrrp(self, probe: str = "vrrp") -> parse_keepalived.Vrrp:
        """keepalived's instance for the VIP, as it says itself."""
        section = self.section(probe)
        if section.status:
            raise CannotTell(f"keepalived on {self.name} did not write its state when asked")
        found = self._read(probe, parse_keepalived.instances)
        if self._place >= len(found):
            raise CannotTell(f"keepalived on {self.name} runs {len(found)} instances")
        return found[self._place]

    def vrrp_conf(self) -> parse_keepalived.Block:
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
    def _heard(self) -> tuple[tuple[parse_keepalived.Advert, ...], frozenset[str]]:
        section = self.section("heard")
        if section.status:
            raise CannotTell(f"{self.name} could not listen: {_last_line(section.text)}")
        return self._read("heard", parse_keepalived.heard)

    @property
    def adverts(self) -> tuple[parse_keepalived.Advert, ...]:
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
    def script_parts(self) -> tuple[parse_keepalived.Part, ...]:
        return self._read("keepalived_scripts", parse_keepalived.path_parts)

    @cached_property
    def script_runs(self) -> tuple[parse_keepalived.ScriptRun, ...]:
        return self._read("keepalived_checks", parse_keepalived.script_runs)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
