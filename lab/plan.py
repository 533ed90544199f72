"""The plan of a lab, derived from the inventory: names, addresses, cables. Pure."""

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
# Names by which every machine means itself.
LOCAL = ("localhost", "localhost.localdomain", "")
NAME_LENGTH_MAX = 15  # IFNAMSIZ less its final zero


@dataclass(frozen=True)
class MachineSpec:
    """What the inventory says about one machine; `network` is like "172.16.0.0/16"."""

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
    address6: str = ""  # with its prefix length; "" without IPv6


@dataclass(frozen=True)
class LabMachine:
    """One guest and its network card."""

    name: str
    address: str
    prefix_length: int
    interface: str
    gateway: str
    base: str
    ssh_hostname: str
    ssh_port: int
    slug: str  # the name, reduced to what paths and namespaces allow
    port: str  # the bridge's end of the veth pair
    netns: str
    mac: str
    # Defaults: the plan file of a lab booted by an older version lacks these two.
    address6: str = ""  # with its prefix length
    gateway6: str = ""


@dataclass(frozen=True)
class LabPlan:
    """A whole lab; equal plans mean the same lab."""

    tag: str  # prefix of every name visible outside the lab's namespaces
    inventory: str
    machines: tuple[LabMachine, ...]
    gateway_addresses: tuple[str, ...]  # with prefix lengths; one per network, then others
    host_names: tuple[tuple[str, str], ...]  # (name, address) for every guest's /etc/hosts

    @property
    def gateway_netns(self) -> str:
        return gateway_netns(self.tag)

    def machine(self, name: str) -> LabMachine | None:
        return next((machine for machine in self.machines if machine.name == name), None)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> LabPlan:
        data = json.loads(text)
        return cls(
            tag=data["tag"],
            inventory=data["inventory"],
            machines=tuple(LabMachine(**machine) for machine in data["machines"]),
            gateway_addresses=tuple(data["gateway_addresses"]),
            host_names=tuple((name, address) for name, address in data["host_names"]),
        )


def tag_of(checkout: Path) -> str:
    """The prefix of a checkout's names: labs of two checkouts can run on one machine."""
    return f"{PREFIX}{sha256(str(checkout).encode()).hexdigest()[:6]}"


def gateway_netns(tag: str) -> str:
    return f"{tag}.gateway"  # machines' namespaces have a hyphen where this has a dot


def make_plan(checkout: Path, inventory: str, specs: Sequence[MachineSpec]) -> LabPlan:
    """Choose addresses and names for the machines of an inventory and for the gateway."""
    tag = tag_of(checkout)
    gateways = _gateways(specs)
    gateways6 = _gateways6(specs)
    slugs = _slugs(specs)
    machines = tuple(
        LabMachine(
            name=spec.name,
            address=spec.address,
            prefix_length=IPv4Network(spec.network).prefixlen,
            interface=spec.interface,
            gateway=str(gateways[spec.network].ip),
            base=spec.base,
            ssh_hostname=spec.ssh_hostname,
            ssh_port=spec.ssh_port,
            address6=spec.address6,
            gateway6=str(gateways6[_network6(spec)].ip) if spec.address6 else "",
            slug=slugs[spec.name],
            port=_port(spec.name, index),
            netns=f"{tag}-{slugs[spec.name]}",
            mac=_mac(tag, spec.name),
        )
        for index, spec in enumerate(specs)
    )
    first = str(next(iter(gateways.values())).ip)
    taken = {machine.address for machine in machines} | {str(gate.ip) for gate in gateways.values()}
    elsewhere = [
        f"{server}/32"
        for server in _servers(specs)
        if _is_address(server) and server not in taken and not ip_address(server).is_loopback
    ]
    names = [server for server in _servers(specs) if not _is_address(server)]
    host_names = [(machine.name, machine.address) for machine in machines]
    host_names += [
        (machine.ssh_hostname, machine.address)
        for machine in machines
        if not _is_address(machine.ssh_hostname) and machine.ssh_hostname != machine.name
    ]
    known = {name for name, _ in host_names}
    host_names += [(name, first) for name in names if name not in known]
    return LabPlan(
        tag=tag,
        inventory=inventory,
        machines=machines,
        gateway_addresses=tuple(
            [*map(str, gateways.values()), *elsewhere, *map(str, gateways6.values())]
        ),
        host_names=tuple(pair for pair in host_names if not _is_address(pair[0])),
    )


def slug(name: str) -> str:
    """`name` without the characters that a path or a namespace's name must not contain."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", name).strip(".-") or "machine"


def _slugs(specs: Iterable[MachineSpec]) -> dict[str, str]:
    slugs: dict[str, str] = {}
    for spec in specs:
        plain = slug(spec.name)
        slugs[spec.name] = f"{plain}-{len(slugs)}" if plain in slugs.values() else plain
    return slugs


def _servers(specs: Iterable[MachineSpec]) -> list[str]:
    """The time and mail servers that the gateway replaces, each once."""
    servers = [server for spec in specs for server in (spec.ntp_server, spec.smtp_server)]
    return [server for server in dict.fromkeys(servers) if server not in LOCAL]


def _gateways(specs: Sequence[MachineSpec]) -> dict[str, IPv4Interface]:
    """The gateway's address per network: that of a time or mail server in it, else a free one."""
    machines = {spec.address for spec in specs} | {vip for spec in specs for vip in spec.vips}
    gateways: dict[str, IPv4Interface] = {}
    for spec in specs:
        if spec.network in gateways:
            continue
        network = IPv4Network(spec.network)
        named = (
            IPv4Address(server)
            for server in _servers(specs)
            if _is_address(server) and server not in machines and ip_address(server) in network
        )
        # hosts() is lazy: a /8 costs nothing.
        free = (address for address in network.hosts() if str(address) not in machines)
        chosen = next(named, None) or next(free)
        gateways[spec.network] = IPv4Interface(f"{chosen}/{network.prefixlen}")
    return gateways


def _network6(spec: MachineSpec) -> IPv6Network:
    return IPv6Interface(spec.address6).network


def _gateways6(specs: Sequence[MachineSpec]) -> dict[IPv6Network, IPv6Interface]:
    """The gateway's address per IPv6 network: the first free one."""
    taken = {IPv6Interface(spec.address6).ip for spec in specs if spec.address6}
    taken |= {IPv6Address(vip) for spec in specs for vip in spec.vips if ":" in vip}
    gateways: dict[IPv6Network, IPv6Interface] = {}
    for network in {_network6(spec) for spec in specs if spec.address6}:
        chosen = next(address for address in network.hosts() if address not in taken)
        gateways[network] = IPv6Interface((chosen, network.prefixlen))
    return gateways


def _is_address(text: str) -> bool:
    try:
        return ip_address(text).version == 4
    except ValueError:
        return False


def _port(name: str, index: int) -> str:
    """The machine's own name where the kernel accepts it, for a readable `ip link`."""
    fits = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name) and len(name) <= NAME_LENGTH_MAX
    return name if fits and name not in (BRIDGE, "lo", "all", "default") else f"port{index}"


def _mac(tag: str, name: str) -> str:
    """A locally administered address that survives power cuts."""
    digest = sha256(f"{tag}/{name}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
