"""The plan of a lab, derived from the inventory: names, addresses, cables. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from itertools import chain
from pathlib import Path
from typing import Any, Self

from lab.errors import LabError

PREFIX = "tandem-"
BRIDGE = "lan"
PROXY_PORT = 3128
# Names by which every machine means itself.
LOCAL = ("localhost", "localhost.localdomain", "")
NAME_LENGTH_MAX = 15  # IFNAMSIZ less its final zero

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who SSH logs in as, and what makes that user root: "sudo", "doas", "su", or "" for nothing.

    A password is "" where there is none. sudo_asks: whether sudo wants it. by_password: whether SSH
    lets the user in with it, as well as with the lab's key.
    """

    user: str = "root"
    becomes: str = ""
    sudo_asks: bool = False
    by_password: bool = False
    password: str = field(default="", repr=False)
    root_password: str = field(default="", repr=False)

    @property
    def told(self) -> str:
        """In a few words, for a table."""
        asks = ", which asks for the inventory's password" if self.sudo_asks else ""
        return f"{self.user} ({self.becomes}{asks})" if self.becomes else self.user

    @property
    def is_bare(self) -> bool:
        """Whether a bare machine, which lets in root with the lab's key, lacks nothing for it."""
        return self == Login()

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian's packages that a bare machine lacks for it."""
        return {"sudo": ("sudo",), "doas": ("opendoas",)}.get(self.becomes, ())


@dataclass(frozen=True, kw_only=True)
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
    upstreams: tuple[str, ...] = ()  # their servers, like "app.internal:8080"
    login: Login = Login()

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        """From what `asdict` and JSON have made of one. Raises `KeyError` or `TypeError`."""
        typed: dict[str, Any] = {name: tuple(data[name]) for name in ("vips", "upstreams")}
        typed |= {"login": Login(**data["login"])}
        return cls(**{**data, **typed})


@dataclass(frozen=True, kw_only=True)
class LabMachine(MachineSpec):
    """One guest and its network card."""

    gateway: str
    gateway6: str  # "" without IPv6
    slug: str  # the name, reduced to what paths and namespaces allow
    port: str  # the bridge's end of the veth pair
    netns: str
    mac: str

    @property
    def prefix_length(self) -> int:
        return ip_network(self.network).prefixlen


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
        return f"{self.tag}.gateway"  # machines' namespaces have a hyphen where this has a dot

    def without_logins(self) -> LabPlan:
        """What can only be had by booting anew: whoever logs in is made on a running machine."""
        same = tuple(replace(machine, login=Login()) for machine in self.machines)
        return replace(self, machines=same)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> LabPlan:
        """Raises `ValueError`, `KeyError` or `TypeError` for what is no plan of this version."""
        data = json.loads(text)
        return cls(
            tag=data["tag"],
            inventory=data["inventory"],
            machines=tuple(map(LabMachine.from_plain, data["machines"])),
            gateway_addresses=tuple(data["gateway_addresses"]),
            host_names=tuple((name, address) for name, address in data["host_names"]),
        )


def tag_of(checkout: Path) -> str:
    """The prefix of a checkout's names: labs of two checkouts can run on one machine."""
    return f"{PREFIX}{sha256(str(checkout).encode()).hexdigest()[:6]}"


def make_plan(checkout: Path, inventory: str, specs: Sequence[MachineSpec]) -> LabPlan:
    """Choose addresses and names for the machines of an inventory and for the gateway."""
    tag = tag_of(checkout)
    gateways = _gateways(specs)
    slugs = _slugs(specs)
    machines = tuple(
        LabMachine(
            **vars(spec),
            gateway=str(gateways[ip_network(spec.network)].ip),
            gateway6=str(gateways[_network6(spec)].ip) if spec.address6 else "",
            slug=slugs[spec.name],
            port=_port(spec.name, index),
            netns=f"{tag}-{slugs[spec.name]}",
            mac=_mac(tag, spec.name),
        )
        for index, spec in enumerate(specs)
    )
    taken = _addresses(specs) | {gateway.ip for gateway in gateways.values()}
    servers = {server: _parsed(server) for server in _servers(specs)}
    elsewhere = [
        ip_interface(address)
        for address in servers.values()
        if address and address not in taken and not address.is_loopback
    ]
    names: dict[str, str] = {}
    for name, address in (
        *((machine.name, machine.address) for machine in machines),
        *((machine.ssh_hostname, machine.address) for machine in machines),
        *((server, machines[0].gateway) for server in servers),
        # nginx does not start where it cannot resolve one.
        *((name, machines[0].gateway) for name in _upstream_names(specs)),
    ):
        names.setdefault(name, address)
    return LabPlan(
        tag=tag,
        inventory=inventory,
        machines=machines,
        gateway_addresses=tuple(map(str, [*gateways.values(), *elsewhere])),
        host_names=tuple(pair for pair in names.items() if not _parsed(pair[0])),
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


def _upstream_names(specs: Iterable[MachineSpec]) -> list[str]:
    """The upstreams' host names, each once."""
    hosts = (server.rpartition(":")[0].strip("[]") for spec in specs for server in spec.upstreams)
    return [host for host in dict.fromkeys(hosts) if host not in LOCAL]


def _addresses(specs: Iterable[MachineSpec]) -> set[Address | None]:
    """The machines' own addresses and VIPs."""
    texts = [
        text
        for spec in specs
        for text in (spec.address, spec.address6.partition("/")[0], *spec.vips)
    ]
    return set(map(_parsed, texts))


def _gateways(specs: Sequence[MachineSpec]) -> dict[Network, Interface]:
    """The gateway's address per network: that of a time or mail server in it, else a free one."""
    taken = _addresses(specs)
    servers = [address for server in _servers(specs) if (address := _parsed(server))]
    networks = [ip_network(spec.network) for spec in specs]
    networks += [_network6(spec) for spec in specs if spec.address6]
    gateways: dict[Network, Interface] = {}
    for network in networks:
        # hosts() is lazy: a /8 costs nothing.
        candidates = chain((one for one in servers if one in network), network.hosts())
        chosen = next((address for address in candidates if address not in taken), None)
        if chosen is None:
            raise LabError(
                f"{network} has no address left for the lab's gateway, the router there."
            )
        gateways[network] = ip_interface((chosen, network.prefixlen))
    return gateways


def _network6(spec: MachineSpec) -> Network:
    return ip_interface(spec.address6).network


def _parsed(text: str) -> Address | None:
    """The address that `text` is; None for a name."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _port(name: str, index: int) -> str:
    """The machine's own name where the kernel accepts it, for a readable `ip link`."""
    fits = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name) and len(name) <= NAME_LENGTH_MAX
    return name if fits and name not in (BRIDGE, "lo", "all", "default") else f"port{index}"


def _mac(tag: str, name: str) -> str:
    """A locally administered address that survives power cuts."""
    digest = sha256(f"{tag}/{name}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
