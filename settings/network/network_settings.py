"""Where a machine's VIPs are: its interfaces, its own addresses there, and the VIPs themselves."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from settings.values import UNREAD, Interface, Interface6, Pairs, Shared, Values, zoneless


def _as_text(given: Any) -> Any:
    """Refuse what ipaddress takes for an address: 5 for 0.0.0.5, and True for 0.0.0.1."""
    if isinstance(given, int | bytes):
        raise ValueError("no text")
    return given


def _as_list(given: Any) -> Any:
    return given if isinstance(given, list | tuple) else [given]


Address4 = Annotated[IPv4Address, BeforeValidator(_as_text)]
Address6 = Annotated[IPv6Address, AfterValidator(zoneless), BeforeValidator(_as_text)]
InterfaceName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,15}$")]
OwnAddresses = Annotated[
    tuple[Address4 | Address6, ...], Field(min_length=1), BeforeValidator(_as_list)
]


class NodeInterface(NamedTuple):
    """An interface that a VIP or VRRP is on, with the machine's own addresses there."""

    name: str
    address: IPv4Address | None = None
    address6: IPv6Address | None = None

    def own(self, version: int) -> IPv4Address | IPv6Address | None:
        """The machine's own address there, of IPv4 or IPv6."""
        return self.address if version == 4 else self.address6


class NetworkSettings(Values):
    """The settings of the network that the machine and its VIPs are in."""

    address: Address4 = Field(
        description="the machine's own IPv4 address in the VIP's network; give `address` where "
        "ssh_hostname is a name or another address"
    )
    address6: Address6 | None = Field(
        None,
        description="the machine's own IPv6 address in an IPv6 VIP's network, like fd61:1::61",
    )

    interface: InterfaceName = Field(
        description="an interface's name, 15 characters at the most: letters, digits, _ . -",
    )
    more_interfaces: Pairs[InterfaceName, OwnAddresses] = Field(
        (),
        description="each further interface with the machine's own address there, "
        '{"eth1": "10.20.0.61"}, or with one of IPv4 and one of IPv6, {"eth1": ["10.20.0.61", '
        '"fd62:1::61"]}',
    )
    vrrp_interface: InterfaceName | None = Field(
        None, description="`interface`, one of more_interfaces, or None: each VIP's own"
    )
    label: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.:-]*$")] | None = Field(
        None,
        description='the interface\'s name, a colon and more, 15 characters in all; "", or None',
    )
    vip: Shared[Interface] = Field(
        description='an address with its prefix, like "172.16.12.254/16"'
    )
    vip6: Shared[Interface6 | None] = Field(
        description='an IPv6 address with its prefix, like "fd61:1::254/64", or None'
    )
    more_vips: Shared[Pairs[Interface, Annotated[str, Field(pattern=r"^[\w.@/-]*$")]]] = Field(
        (),
        description="each further VIP with the machine that holds it while all are well, like "
        '{"172.16.12.253/16": "host2"}',
    )

    @property
    def interfaces(self) -> tuple[NodeInterface, ...]:
        """The VIP's interface, and the others that VIPs or VRRP may be on."""
        first = NodeInterface(self.interface, self.address, self.address6)
        return (first, *(_node_interface(*each) for each in self.more_interfaces))

    @property
    def own_addresses(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """This machine's own addresses, of all interfaces."""
        each = (own for _, *addresses in self.interfaces for own in addresses)
        return tuple(own for own in each if own)

    @property
    def own(self) -> IPv4Address | IPv6Address | None:
        """This machine's own address on the VIP's interface, in its family."""
        return self.address if self.vip.version == 4 else self.address6

    @property
    def vrrp(self) -> NodeInterface:
        """The interface that VRRP for the VIP is spoken on."""
        wanted = self.vrrp_interface or self.interface
        found = (each for each in self.interfaces if each.name == wanted)
        return next(found, self.interfaces[0])

    @property
    def speaks_from(self) -> IPv4Address | IPv6Address | None:
        """What it advertises from: its own address there, in the VIP's family."""
        return self.vrrp.own(self.vip.version)

    @property
    def vip_settings(self) -> tuple[tuple[str, Interface], ...]:
        """Every VIP that could be read, with the name of the setting that gives it."""
        given = [("vip", self.vip), ("vip6", self.vip6)]
        if self.more_vips is not UNREAD:
            given += [("more_vips", vip) for vip, _ in self.more_vips]
        return tuple((setting, vip) for setting, vip in given if vip is not UNREAD and vip)

    @property
    def ipv6(self) -> bool:
        """Whether any VIP is an IPv6 address."""
        return any(vip.version == 6 for _, vip in self.vip_settings)


def _node_interface(name: str, addresses: tuple[IPv4Address | IPv6Address, ...]) -> NodeInterface:
    own = {address.version: address for address in addresses}
    return NodeInterface(name, own.get(4), own.get(6))  # type: ignore[arg-type]
