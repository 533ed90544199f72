"""Which names nginx's servers answer to and where, and who takes whose. Pure.

nginx itself only warns: of two servers with one name on one address it ignores the second. What
people put into conf.d stands before what Tandem writes, and so takes the whole name from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from settings.nginx_paths import Directive, directives
from settings.serving.site_names import is_regex, spelled_out

# An address for all of a family.
EVERY, EVERY6 = "*", "[::]"


class Listen(NamedTuple):
    """One `listen`. `address`: `EVERY`, `EVERY6`, an address, or a name that only machines know."""

    address: str
    port: int
    default: bool = False

    def takes_from(self, other: Listen) -> bool:
        """Whether it gets requests that `other` would: on the same address, or on one of `other`'s
        alone, which nginx then prefers."""
        every = EVERY6 if self.address.startswith("[") else EVERY
        return self.port == other.port and other.address in (self.address, every)

    def __str__(self) -> str:
        return str(self.port) if self.address == EVERY else f"{self.address}:{self.port}"


class NginxServer(NamedTuple):
    """One `server` of a configuration. `names` in small letters, but for regular expressions; none
    is "", as for nginx.

    `is_udp`: it is a stream's, and speaks no TCP.
    """

    line: int
    listens: tuple[Listen, ...]
    names: tuple[str, ...]
    is_udp: bool = False


class Taken(NamedTuple):
    """A server of `source`, at `line`, takes what another one is for.

    `name`: the server name, "" where it is to be the default server. `where`: on which `listen`.
    """

    source: str
    line: int
    name: str
    where: Listen


def servers(text: str) -> tuple[NginxServer, ...]:
    """The servers of one file, whether `http` stands around them or not."""
    return tuple(_servers(directives(text)))


def _servers(block: Iterable[Directive]) -> Iterator[NginxServer]:
    for one in block:
        if one.words[0] == "http":
            yield from _servers(one.block)
        elif one.words == ("server",):
            yield _server(one)


def _server(one: Directive) -> NginxServer:
    listens: list[Listen] = []
    names: list[str] = []
    for inner in one.block:
        words = inner.words[1:]
        if inner.words[0] == "listen" and words:
            listens += [found] if (found := _listen(words)) else []
        elif inner.words[0] == "server_name":
            for name in words:
                names += (name,) if is_regex(name) else spelled_out(name.lower())
    # What it includes may say where it listens.
    said = any(inner.words[0] in ("listen", "include") for inner in one.block)
    every = tuple(listens if said else (Listen(EVERY, 80),))
    is_udp = any(inner.words[0] == "listen" and "udp" in inner.words for inner in one.block)
    return NginxServer(one.line, every, tuple(names) or ("",), is_udp)


def addresses(text: str) -> frozenset[IPv4Address | IPv6Address]:
    """Those that any `listen` of a file names."""
    return frozenset(_addresses(directives(text)))


def _addresses(block: Iterable[Directive]) -> Iterator[IPv4Address | IPv6Address]:
    for one in block:
        if one.words[0] == "listen" and one.words[1:]:
            with suppress(ValueError):  # a port, or a name
                yield ip_address(re.sub(r"^\[(.*)\](:\d+)?$|^([\d.]+):\d+$", r"\1\3", one.words[1]))
        yield from _addresses(one.block)


def _listen(words: tuple[str, ...]) -> Listen | None:
    """None for a socket of this machine's own, of QUIC's, and for a range of ports."""
    if words[0].startswith("unix:") or "quic" in words[1:]:
        return None
    if re.fullmatch(r"(.*:)?\d+-\d+", words[0]):
        return None
    default = "default_server" in words[1:] or "default" in words[1:]
    found = re.fullmatch(r"(?:(\[[^\]]*\]|[^:]*):)?(\d+)|(\[[^\]]*\]|[^:]+)", words[0])
    if not found:
        return None
    address = (found[1] or found[3] or EVERY).lower()
    if address == "0.0.0.0":
        address = EVERY
    return Listen(address, int(found[2] or 80), default)


def taken(ours: str, others: Iterable[tuple[str, str]]) -> Iterator[Taken]:
    """What servers of `others` (source and text of each) take from those in the text `ours`."""
    every = servers(ours)
    for source, text in others:
        for server in servers(text):
            found = {
                (name, own): None
                for one in every
                for own in one.listens
                for name in _names_taken(server, one, own)
            }
            for name, own in found:
                yield Taken(source, server.line, name, own)


def _names_taken(server: NginxServer, one: NginxServer, own: Listen) -> Iterator[str]:
    fitting = [listen for listen in server.listens if listen.takes_from(own)]
    if own.default and any(listen.default and listen.address == own.address for listen in fitting):
        yield ""
    if fitting:
        # On one address alone a catch-all takes nothing from that of all addresses.
        same = any(listen.address == own.address for listen in fitting)
        names = (name for name in one.names if name and name in server.names)
        yield from (name for name in names if name != "_" or same)


def alone(server: NginxServer, ours: Iterable[Listen]) -> Iterator[Listen]:
    """Where `server` listens on one address of those that are all `ours`: what comes to it then
    reaches no server of ours."""
    every = tuple(ours)
    for listen in server.listens:
        if listen.address not in (EVERY, EVERY6) and any(map(listen.takes_from, every)):
            yield listen
