"""What a lab consists of, derived from the inventory: names, addresses, cables. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
)
from pathlib import Path

PREFIX = "tandem-"
BRIDGE = "lan"
PROXY_PORT = 3128
# Names that mean the machine itself, wherever it is.
LOCAL = ("localhost", "localhost.localdomain", "")
NAME_LENGTH_MAX = 15  # IFNAMSIZ less its final zero


@dataclass(frozen=True)
class Wanted:
    """What the inventory says of one machine; `network` is like "172.16.0.0/16"."""

    name: str
    address: str
    network: str
    interface: str
    base: str
    vips: tuple[str, ...]
    ntp_server: str
    smtp_server: str
    ssh_hostname: str
    ssh_port: int
    address6: str = ""  # with its prefix length; "" where the inventory has none


@dataclass(frozen=True)
class Machine:
    """One guest, and how it is wired."""

    name: str
    address: str
    prefix_length: int
    interface: str
    gateway: str
    base: str
    ssh_hostname: str
    ssh_port: int
    slug: str  # the name as files and namespaces can carry it
    port: str  # the bridge's end of its cable
    netns: str
    mac: str
    # Defaults, because a lab that an older Tandem has booted has to be taken down, too.
    address6: str = ""  # with its prefix length
    gateway6: str = ""


@dataclass(frozen=True)
class Plan:
    """A whole lab; two that are equal are the same lab."""

    tag: str  # prefix of every name that is visible outside the lab's own namespaces
    inventory: str
    machines: tuple[Machine, ...]
    gateway_addresses: tuple[str, ...]  # with prefix lengths; one per network, then others
    host_names: tuple[tuple[str, str], ...]  # (name, address) for every guest's /etc/hosts

    @property
    def gateway_netns(self) -> str:
        return gateway_netns(self.tag)

    def machine(self, name: str) -> Machine | None:
        return next((machine for machine in self.machines if machine.name == name), None)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        data = json.loads(text)
        return cls(
            tag=data["tag"],
            inventory=data["inventory"],
            machines=tuple(Machine(**machine) for machine in data["machines"]),
            gateway_addresses=tuple(data["gateway_addresses"]),
            host_names=tuple((name, address) for name, address in data["host_names"]),
        )


def tag_of(checkout: Path) -> str:
    """The prefix of a checkout's names: labs of two checkouts share a machine but no name."""
    return f"{PREFIX}{sha256(str(checkout).encode()).hexdigest()[:6]}"


def gateway_netns(tag: str) -> str:
    return f"{tag}.gateway"  # a dot: no machine's namespace has one in this place


def make_plan(checkout: Path, inventory: str, wanted: Sequence[Wanted]) -> Plan:
    """The lab for what is `wanted`."""
    tag = tag_of(checkout)
    gateways = _gateways(wanted)
    gateways6 = _gateways6(wanted)
    slugs = _slugs(wanted)
    machines = tuple(
        Machine(
            name=want.name,
            address=want.address,
            prefix_length=IPv4Network(want.network).prefixlen,
            interface=want.interface,
            gateway=str(gateways[want.network].ip),
            base=want.base,
            ssh_hostname=want.ssh_hostname,
            ssh_port=want.ssh_port,
            address6=want.address6,
            gateway6=str(gateways6[_network6(want)].ip) if want.address6 else "",
            slug=slugs[want.name],
            port=_port(want.name, index),
            netns=f"{tag}-{slugs[want.name]}",
            mac=_mac(tag, want.name),
        )
        for index, want in enumerate(wanted)
    )
    first = str(next(iter(gateways.values())).ip)
    taken = {machine.address for machine in machines} | {str(gate.ip) for gate in gateways.values()}
    elsewhere = [
        f"{server}/32"
        for server in _servers(wanted)
        if _is_address(server) and server not in taken and not ip_address(server).is_loopback
    ]
    names = [server for server in _servers(wanted) if not _is_address(server)]
    host_names = [(machine.name, machine.address) for machine in machines]
    host_names += [
        (machine.ssh_hostname, machine.address)
        for machine in machines
        if not _is_address(machine.ssh_hostname) and machine.ssh_hostname != machine.name
    ]
    known = {name for name, _ in host_names}
    host_names += [(name, first) for name in names if name not in known]
    return Plan(
        tag=tag,
        inventory=inventory,
        machines=machines,
        gateway_addresses=tuple(
            [*map(str, gateways.values()), *elsewhere, *map(str, gateways6.values())]
        ),
        host_names=tuple(pair for pair in host_names if not _is_address(pair[0])),
    )


def slug(name: str) -> str:
    """`name` with nothing in it that a path or a namespace's name cannot carry."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", name).strip(".-") or "machine"


def _slugs(wanted: Iterable[Wanted]) -> dict[str, str]:
    slugs: dict[str, str] = {}
    for want in wanted:
        plain = slug(want.name)
        slugs[want.name] = f"{plain}-{len(slugs)}" if plain in slugs.values() else plain
    return slugs


def _servers(wanted: Iterable[Wanted]) -> list[str]:
    """The servers that the inventory names and the gateway stands in for, each once."""
    servers = [server for want in wanted for server in (want.ntp_server, want.smtp_server)]
    return [server for server in dict.fromkeys(servers) if server not in LOCAL]


def _gateways(wanted: Sequence[Wanted]) -> dict[str, IPv4Interface]:
    """The gateway's address in each network: the inventory's own time or mail server, if it can."""
    machines = {want.address for want in wanted} | {vip for want in wanted for vip in want.vips}
    gateways: dict[str, IPv4Interface] = {}
    for want in wanted:
        if want.network in gateways:
            continue
        network = IPv4Network(want.network)
        named = (
            IPv4Address(server)
            for server in _servers(wanted)
            if _is_address(server) and server not in machines and ip_address(server) in network
        )
        # hosts() is lazy: a /8 costs nothing.
        free = (address for address in network.hosts() if str(address) not in machines)
        chosen = next(named, None) or next(free)
        gateways[want.network] = IPv4Interface(f"{chosen}/{network.prefixlen}")
    return gateways


def _network6(want: Wanted) -> IPv6Network:
    return IPv6Interface(want.address6).network


def _gateways6(wanted: Sequence[Wanted]) -> dict[IPv6Network, IPv6Interface]:
    """The gateway's address in each IPv6 network: the first that nobody else has."""
    taken = {IPv6Interface(want.address6).ip for want in wanted if want.address6}
    taken |= {IPv6Address(vip) for want in wanted for vip in want.vips if ":" in vip}
    gateways: dict[IPv6Network, IPv6Interface] = {}
    for network in {_network6(want) for want in wanted if want.address6}:
        chosen = next(address for address in network.hosts() if address not in taken)
        gateways[network] = IPv6Interface((chosen, network.prefixlen))
    return gateways


def _is_address(text: str) -> bool:
    try:
        return ip_address(text).version == 4
    except ValueError:
        return False


def _port(name: str, index: int) -> str:
    """The machine's own name where the kernel takes it, so that `ip link` reads well."""
    fits = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name) and len(name) <= NAME_LENGTH_MAX
    return name if fits and name not in (BRIDGE, "lo", "all", "default") else f"port{index}"


def _mac(tag: str, name: str) -> str:
    """A locally administered address that stays the same over power cuts."""
    digest = sha256(f"{tag}/{name}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
