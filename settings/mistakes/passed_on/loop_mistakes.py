"""What nginx would pass on to itself: it listens on every machine, at the VIPs, too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.serving.places import Place
from settings.serving.proxy import Server
from settings.values import UNREAD, NotRead, judged

# Whatever answers requests of HTTP, whichever server it is; no stream has this name.
WEB = ""
# Who asks for these asks the machine itself.
LOCAL_NAMES = ("localhost", "localhost.localdomain")
Port = tuple[str, int]


class OwnPort(NamedTuple):
    """Who of nginx has a port (a stream's name, or `WEB`), and the setting that says so."""

    name: str
    setting: str


class ServerBehind(NamedTuple):
    """A server that `source` passes on to, and the setting that names it."""

    source: str
    protocol: str
    setting: str
    server: Server


def within(nodes: Sequence[Node]) -> Iterator[Mistake]:
    """Servers behind the nodes' nginx by which what comes would come again."""
    here, names = _here(nodes)
    for node in nodes:
        yield from judged(_of(node, here, names))


def _of(node: Node, here: set[object], names: set[str]) -> Iterator[Mistake]:
    listeners = _listeners(node)
    led: list[tuple[ServerBehind, OwnPort]] = []
    for way in judged(_ways(node)):
        server = way.server
        if server is UNREAD or server.address is UNREAD or server.address.startswith("unix:"):
            continue
        listener = listeners.get((way.protocol, int(server.address.rpartition(":")[2])))
        if listener and _is_here(node, server.host, here, names):
            led.append((way, listener))
    after: dict[str, set[str]] = defaultdict(set)
    for way, listener in led:
        after[way.source].add(listener.name)
    for way, listener in led:
        if way.source in _reached(listener.name, after):
            remedy = (
                f"this is nginx itself, which listens there on every machine and at the VIP "
                f"({listener.setting}): what comes would come again, without an end. Give the "
                "server's own address, and where it is on one of these machines another port"
            )
            yield Mistake(node.name, way.setting, way.server.address, remedy)


def _reached(first: str, after: Mapping[str, Iterable[str]]) -> set[str]:
    """Who has what `first` gets, sooner or later."""
    found, ahead = set[str](), [first]
    while ahead:
        if (name := ahead.pop()) not in found:
            found.add(name)
            ahead += after.get(name, ())
    return found


def _here(nodes: Sequence[Node]) -> tuple[set[object], set[str]]:
    """Addresses, and names, of the machines and their VIPs."""
    addresses: set[object] = set()
    for node in nodes:
        addresses |= {vip.ip for _, vip in node.vip_settings}
        addresses |= set(judged(_own(node)))
    return addresses, {*LOCAL_NAMES, *(node.name.lower() for node in nodes)}


def _own(node: Node) -> Iterator[object]:
    yield from node.own_addresses


def _is_here(node: Node, host: str, here: set[object], names: set[str]) -> bool:
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") in names
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    is_served = isinstance(address, IPv4Address) or node.ipv6
    return is_served and (address.is_loopback or address.is_unspecified or address in here)


def _listeners(node: Node) -> dict[Port, OwnPort]:
    """Who has which port, as far as that can be read."""
    found: dict[Port, OwnPort] = {}
    for part in (_of_web, _of_streams):
        found |= dict(judged(part(node)))
    return found


def _of_web(node: Node) -> Iterator[tuple[Port, OwnPort]]:
    if node.http_port is not UNREAD:
        yield ("tcp", node.http_port), OwnPort(WEB, "http_port")
    if node.https_port is not UNREAD and node.tls_certificate:
        yield ("tcp", node.https_port), OwnPort(WEB, "https_port")


def _of_streams(node: Node) -> Iterator[tuple[Port, OwnPort]]:
    for stream in node.streams:
        try:
            listener = OwnPort(str(stream.name), f"streams[{stream.name}].listen")
            yield (str(stream.protocol), int(stream.listen)), listener
        except NotRead:
            continue


def _asks_the_same(place: Place) -> bool:
    """Whether what a client has asked for is asked for again, as far as that is known."""
    told = {name.lower() for name, _ in place.send_headers}
    return place.host in ("$host", "$http_host") and not place.strip_path and "host" not in told


def _ways(node: Node) -> Iterator[ServerBehind]:
    """Whom requests and streams are passed on to."""
    for stream in () if node.streams is UNREAD else node.streams:
        try:
            name, protocol = str(stream.name), str(stream.protocol)
            servers = node.stream_servers(stream)
            yield from (
                ServerBehind(name, protocol, f"streams[{name}].to", each) for each in servers
            )
        except NotRead:
            continue
    # Another host, or another path, may be another server's of the same nginx.
    asked = {place.upstream for place in node.every_place if _asks_the_same(place)}
    for upstream in node.upstreams:
        if upstream.name is UNREAD or upstream.servers is UNREAD:
            continue
        if upstream.name in asked:
            setting = f"upstreams[{upstream.name}].servers"
            yield from (ServerBehind(WEB, "tcp", setting, each) for each in upstream.servers)
