"""The routed profile: every machine announces the VIP by BGP, and routers spread what comes.

Written as dicts in the inventory; kept as frozen values. Where a router's password is had from is
said; the password itself stands in no setting.
"""

from __future__ import annotations

import re
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from settings.network.router_addresses import ROUTER_ADDRESS_IS, router_address
from settings.secret_origins import SecretError, SecretOrigin, origins, read
from settings.values import HIDDEN, Interface, Remedy, Shared, Values

# By protocol: what BIRD listens on. (BFD has another port where there are routers in between.)
PORTS = {("tcp", 179): "BGP's", ("udp", 3784): "BFD's", ("udp", 4784): "BFD's"}
# What an autonomous system may use without asking anybody.
PRIVATE_ASNS = (range(64512, 65535), range(4_200_000_000, 4_294_967_295))
LAST_ASN = 4_294_967_294
_RESERVED_ASNS = {
    23456: "stands for numbers that old routers cannot read (RFC 6793)",
    65535: "is nobody's (RFC 7300)",
}
# Linux takes no longer one for TCP's MD5 signatures; BIRD has it between double quotes, in which
# everything stands for itself.
PASSWORD = re.compile(r"[ !#-~]{1,80}")
# Stands for the VIP in a router's `view_command`.
VIP_HERE = "{vip}"
_VIEW_IS = (
    "of a command that prints the router's route to the VIP, "
    '["ssh", "admin@10.1.0.1", "show ip route {vip}/32"]'
)
_PASSWORD_IS = '1 to 80 printable characters of ASCII without "'


def _plain_number(given: Any) -> Any:
    """Numbers as people write them: AS65010, and 1.10 with the upper half before the point. What is
    said to be right is right."""
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise ValueError("no number")  # (1.0 may be what somebody has made of 1.0, which is 65536)
    if isinstance(given, int) or re.fullmatch(r"[0-9]+", given):
        return given
    found = re.fullmatch(r"(?i:asn?)? ?(?:([0-9]{1,5})\.)?([0-9]{1,10})", given.strip())
    if not found:
        raise ValueError("no number")
    upper, lower = int(found[1] or 0), int(found[2])
    asn = (upper << 16) + lower
    halves = not found[1] or max(upper, lower) < 1 << 16
    if not halves or not 1 <= asn <= LAST_ASN:
        raise ValueError("no number of a system")
    raise Remedy(f"give it as a number: {_no_reserved(asn)}")


def _no_reserved(asn: int) -> int:
    if why := _RESERVED_ASNS.get(asn):
        first, last = PRIVATE_ASNS[0][0], PRIVATE_ASNS[0][-1]
        raise Remedy(f"this number {why}: give your own, or one of {first} to {last}")
    return asn


def _runnable(words: tuple[str, ...]) -> tuple[str, ...]:
    if not all(word.strip() for word in words):
        raise Remedy("a word of it is empty: leave that out")
    if "\0" in "".join(words):
        raise Remedy("a word of it has a NUL byte, which no program can be given: leave that out")
    if len(words) == 1 and " " in words[0]:
        raise Remedy(f"no shell takes it apart: give a list of words, those {_VIEW_IS}")
    for name in re.findall(r"\{vip\w*\}", " ".join(words), re.IGNORECASE):
        if name != VIP_HERE:
            raise Remedy(f"{VIP_HERE} is the VIP of the router's family: write that alone")
    return words


Asn = Annotated[
    int,
    BeforeValidator(_plain_number),
    Field(ge=1, le=LAST_ASN),
    AfterValidator(_no_reserved),
]


class Router(Values):
    """A router that the VIP is announced to. `hops`: 1 for one in the machine's own network, else
    how far it is, in routers, with itself."""

    address: Annotated[IPv4Address | IPv6Address, BeforeValidator(router_address)] = Field(
        description=ROUTER_ADDRESS_IS
    )
    asn: Asn = Field(description="1 to 4294967294, the router's autonomous system")
    password_file: str = Field("", description="the path of a file with the password in it")
    password_env: str = Field(
        "", pattern=r"^\w*$", description="the name of a variable with the password in it"
    )
    password_command: tuple[str, ...] = Field(
        (), description='the words of a command that prints the password, ["pass", "show", "bgp"]'
    )
    bfd: bool = Field(True, description="True or False")
    hops: int = Field(1, ge=1, le=255, description="1 (in the machine's own network) to 255")
    view_command: Annotated[tuple[str, ...], AfterValidator(_runnable)] = Field(
        (), description=f"the words {_VIEW_IS}"
    )

    def asked_for(self, vip: Interface) -> tuple[str, ...]:
        """The words of the command that prints its route to that VIP; none if there is none."""
        return tuple(word.replace(VIP_HERE, str(vip.ip)) for word in self.view_command)

    @property
    def password_origins(self) -> tuple[SecretOrigin, ...]:
        """Where its password is had from: one, if that is said."""
        return tuple(origins(vars(self), "password", file="password_file"))

    @cached_property
    def password(self) -> SecretStr:
        """What both sign their segments with (TCP-MD5); empty for none.

        What cannot be had is `HIDDEN`: no deploy comes so far (settings.mistakes.routed_mistakes),
        and all other commands know that there is one.
        """
        try:
            return SecretStr(self.read_password())
        except SecretError:
            return SecretStr(HIDDEN)

    def read_password(self) -> str:
        """The password, "" for none. Raises `SecretError`."""
        if not self.password_origins:
            return ""
        given = read(self.password_origins[0]).decode(errors="replace").rstrip("\r\n")
        if not PASSWORD.fullmatch(given):
            raise SecretError(f"is no password for BGP: give {_PASSWORD_IS}")
        return given


class RoutedSettings(Values):
    """The settings of how the VIP is spread, and of the routers that do."""

    spread: Shared[Literal["vrrp", "bgp"]] = Field("vrrp", description='"vrrp" or "bgp"')
    asn: Asn | None = Field(
        None, description="1 to 4294967294, this machine's autonomous system, or None"
    )
    routers: tuple[Router, ...] = Field(
        (), description='a list of routers, [{"address": "10.1.0.1", "asn": 64512}]'
    )
    bfd_interval_ms: int = Field(50, ge=10, le=10_000, description="10 to 10000 milliseconds")
    bfd_misses: int = Field(3, ge=1, le=50, description="1 to 50")

    @property
    def routed(self) -> bool:
        """Whether every machine of its cluster announces the VIP to routers."""
        return self.spread == "bgp"

    @property
    def bfd_detection_ms(self) -> int:
        """After so long a silence the other side counts as gone."""
        return self.bfd_interval_ms * self.bfd_misses

    def routers_of(self, version: int) -> tuple[Router, ...]:
        """Those that are spoken to over IPv4, or over IPv6."""
        return tuple(each for each in self.routers if each.address.version == version)
