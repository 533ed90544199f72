"""The plan of a lab: names, addresses, cables. planning.py derives it from the inventory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self

from lab.errors import LabError

PREFIX = "tandem-"
BRIDGE = "lan"
PROXY_PORT = 3128


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
class Peering:
    """A machine's BGP session with a router, as the inventory has it; addresses are plain."""

    machine: str
    address: str  # the machine's end
    asn: int
    router: str  # the other end
    router_asn: int
    vips: tuple[str, ...]  # what the machine may announce
    password: str = field(default="", repr=False)  # "" without one
    bfd: bool = True
    bfd_interval_ms: int = 50
    bfd_misses: int = 3

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "vips": tuple(data["vips"])})


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
    # Further interfaces, each with its addresses and their prefix lengths.
    more_interfaces: tuple[tuple[str, tuple[str, ...]], ...] = ()
    login: Login = Login()
    peerings: tuple[Peering, ...] = ()  # with the routers that it announces its VIPs to

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        """From what `asdict` and JSON have made of one. Raises `KeyError` or `TypeError`."""
        typed: dict[str, Any] = {name: tuple(data[name]) for name in ("vips", "upstreams")}
        more = ((name, tuple(addresses)) for name, addresses in data["more_interfaces"])
        typed |= {"login": Login(**data["login"]), "more_interfaces": tuple(more)}
        typed["peerings"] = tuple(map(Peering.from_plain, data["peerings"]))
        return cls(**{**data, **typed})


@dataclass(frozen=True, kw_only=True)
class Card:
    """A network card, and the cable from there to a port of a bridge."""

    interface: str
    addresses: tuple[str, ...]  # with their prefix lengths
    bridge: str
    port: str  # the bridge's end of the veth pair
    mac: str
    routers: tuple[str, ...] = ()  # where it sends what is for other networks

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, **{name: tuple(data[name]) for name in ("addresses", "routers")}})


@dataclass(frozen=True, kw_only=True)
class LabMachine(MachineSpec):
    """One guest and its network cards."""

    gateway: str
    slug: str  # the name, reduced to what paths and namespaces allow
    netns: str
    cards: tuple[Card, ...]  # the first is `interface`

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        """The same, with its cards."""
        return super().from_plain({**data, "cards": tuple(map(Card.from_plain, data["cards"]))})

    @property
    def prefix_length(self) -> int:
        return ip_network(self.network).prefixlen

    def card(self, interface: str = "") -> Card:
        """The card of that interface; by default the first. Raises `LabError` if there is none."""
        return _card_of(self.name, self.cards, interface)


@dataclass(frozen=True, kw_only=True)
class LabRouter:
    """A router: one leg in the machines' network, one in the clients'."""

    name: str
    netns: str
    asn: int
    addresses: tuple[str, ...]  # those that the inventory gives, with prefix lengths
    peers: tuple[Peering, ...]
    bridge: str  # the machines' network
    cards: tuple[Card, ...]  # "nodes", to the machines, then "clients"

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        peers = tuple(map(Peering.from_plain, data["peers"]))
        cards = tuple(map(Card.from_plain, data["cards"]))
        addresses = tuple(data["addresses"])
        return cls(**{**data, "peers": peers, "cards": cards, "addresses": addresses})

    @property
    def known_as(self) -> tuple[str, ...]:
        """The words that mean it: its name and its addresses."""
        return (self.name, *(address.partition("/")[0] for address in self.addresses))

    def card(self, interface: str = "") -> Card:
        """As a machine's; by default the one to the machines."""
        return _card_of(self.name, self.cards, interface)


def _card_of(name: str, cards: tuple[Card, ...], interface: str) -> Card:
    for card in cards:
        if interface in ("", card.interface):
            return card
    known = ", ".join(card.interface for card in cards)
    raise LabError(f"{name} has no interface {interface}; it has {known}.")


@dataclass(frozen=True)
class ClientNetwork:
    """Between the routers and the gateway, which is where clients are."""

    bridge: str
    asn: int  # the gateway's own, by which the routers tell it where the VIPs are
    gateway_addresses: tuple[str, ...]  # with their prefix lengths
    sources: tuple[str, ...]  # the gateway's as well, plain: clients' own addresses

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        both = {name: tuple(data[name]) for name in ("gateway_addresses", "sources")}
        return cls(**{**data, **both})


@dataclass(frozen=True)
class LabNetwork:
    """A bridge, and the gateway's addresses there, with their prefix lengths."""

    bridge: str
    gateway_addresses: tuple[str, ...]


@dataclass(frozen=True)
class LabPlan:
    """A whole lab; equal plans mean the same lab."""

    tag: str  # prefix of every name visible outside the lab's namespaces
    inventory: str
    machines: tuple[LabMachine, ...]
    networks: tuple[LabNetwork, ...]  # the first has every machine's first card
    host_names: tuple[tuple[str, str], ...]  # (name, address) for every guest's /etc/hosts
    routers: tuple[LabRouter, ...] = ()
    client_network: ClientNetwork | None = None  # where there are routers

    @property
    def gateway_netns(self) -> str:
        return f"{self.tag}.gateway"  # machines' namespaces have a hyphen where this has a dot

    @property
    def gateway_addresses(self) -> tuple[str, ...]:
        """With prefix lengths: one per network, then others."""
        return tuple(each for network in self.networks for each in network.gateway_addresses)

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
        clients = data["client_network"]
        return cls(
            tag=data["tag"],
            inventory=data["inventory"],
            machines=tuple(map(LabMachine.from_plain, data["machines"])),
            networks=tuple(
                LabNetwork(each["bridge"], tuple(each["gateway_addresses"]))
                for each in data["networks"]
            ),
            host_names=tuple((name, address) for name, address in data["host_names"]),
            routers=tuple(map(LabRouter.from_plain, data["routers"])),
            client_network=clients and ClientNetwork.from_plain(clients),
        )


def tag_of(checkout: Path) -> str:
    """The prefix of a checkout's names: labs of two checkouts can run on one machine."""
    return f"{PREFIX}{sha256(str(checkout).encode()).hexdigest()[:6]}"


def mac_of(seed: str) -> str:
    """A locally administered address that survives power cuts."""
    digest = sha256(seed.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
