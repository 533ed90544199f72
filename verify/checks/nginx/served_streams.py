"""NGX, X: what nginx passes on as it is, on every machine and through the VIP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from settings import Node
from settings.serving.streams import Stream
from verify.checks.check import Across, Answer, Here, faultless, on_host, on_vip
from verify.checks.nginx.udp_ports import held_otherwise
from verify.checks.premises import has_streams, nginx_running, streams_in_cluster, vip_served
from verify.observe.streams.stream_probes import target
from verify.read.blocks import Block
from verify.read.machine_view import CannotTell

LOCALHOST = "127.0.0.1"


@on_host(
    "NGX-25",
    "each stream's port is nginx's, and takes connections",
    reads=("stream_ports", "stream_ports:{name}", "udp_sockets", "nginx_processes"),
    needs=(has_streams, nginx_running),
    settles=True,
    reason="A port that one machine does not have is gone for its clients as soon as that machine "
    "holds the VIP; and connections that are handed over to it are reset.",
    remedy="Run deploy.py. If nginx has the port (ss -ltunp) and only other machines do not reach "
    "it, look at the firewall between them.",
)
def ports(here: Here) -> Answer:
    """Those of TCP are asked here and by the other machines; those of UDP are looked for here."""
    faults: list[str] = []
    if any(stream.is_tcp for stream in here.node.streams):
        own = here.machine.stream_ports()
        faults += _refused(own, here.node, LOCALHOST, "this machine")
        for name, other in here.others.items():
            asked = other.stream_ports(here.node.name)
            faults += _refused(asked, here.node, here.node.address, name)
    if not all(stream.is_tcp for stream in here.node.streams):
        faults += _not_bound(here)
    shown = ", ".join(f"{each.protocol} {each.listen}" for each in here.node.streams)
    return faultless(faults, expected=f"nginx on {shown}", found=shown)


def _refused(asked: Mapping[str, str], node: Node, address: object, who: str) -> Iterator[str]:
    """The streams of TCP whose port does not take a connection at an address, for `who` asked."""
    for stream in node.streams:
        if stream.is_tcp:
            problem = asked.get(target(address, stream.listen))
            if problem is None:
                raise CannotTell(f"{who} did not ask {stream.name} on {stream.listen}")
            if problem != "ok":
                yield f"{stream.name}: {who} on {stream.listen}: {problem}"


def _not_bound(here: Here) -> Iterator[str]:
    """The streams of UDP whose port is not nginx's."""
    for stream in here.node.streams:
        if not stream.is_tcp:
            for fault in held_otherwise(here.machine, stream.listen):
                yield f"{stream.name}: {fault}"


@on_vip(
    "X-26",
    "each stream answers through the VIP",
    reads=("stream_ports",),
    needs=(streams_in_cluster, vip_served),
    reason="Clients ask the VIP and nothing else: that is where a stream has to answer, whoever "
    "holds it.",
    remedy="If NGX-25 holds, as X-10: find out who holds the VIP, and whether a firewall is "
    "between.",
)
def through_the_vip(across: Across) -> Answer:
    """Streams of TCP; a datagram may have no answer though it arrives."""
    vip = across.cluster.vip.ip
    found = across.by_machine(lambda machine: machine.stream_ports())
    faults = [
        fault
        for name, asked in found.items()
        for fault in _refused(asked, across.cluster.preferred, vip, name)
    ]
    streams = [each.name for each in across.cluster.preferred.streams if each.is_tcp]
    return faultless(faults, expected=f"{', '.join(streams)} on {vip}")


def passed_on_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with the streams of nginx's own configuration, beside the settings."""
    servers = {_listens_on(server): server for server in root.every("stream", "server")}
    for stream in node.streams:
        server = servers.pop((stream.protocol, stream.listen), None)
        if server is None:
            yield f"no stream listens on {stream.protocol} {stream.listen} ({stream.name})"
        else:
            for fault in _otherwise(root, server, stream, node):
                yield f"stream {stream.name} {fault}"
    for protocol, port in servers:
        yield f"a stream listens on {protocol} {port} too"


def _listens_on(server: Block) -> tuple[str, int]:
    listens = [listen.words for listen in server.every("listen")]
    protocol = "udp" if any("udp" in words for words in listens) else "tcp"
    last = listens[0][1].rpartition(":")[2] if listens else ""
    return protocol, int(last) if last.isdigit() else 0


def _otherwise(root: Block, server: Block, stream: Stream, node: Node) -> Iterator[str]:
    addresses = {listen.words[1] for listen in server.every("listen")}
    wanted = {f"{stream.listen}", *([f"[::]:{stream.listen}"] if node.ipv6 else ())}
    itself = {f"{LOCALHOST}:{stream.listen}"} if stream.accept_proxy_protocol else set()
    wanted |= itself
    if addresses != wanted:
        yield f"listens on {', '.join(sorted(addresses))}, not on {', '.join(sorted(wanted))}"
    target = server.last("proxy_pass")
    behind = [
        each.words[1]
        for upstream in root.every("stream", "upstream")
        if upstream.words[1:] == (target,)
        for each in upstream.every("server")
    ]
    right = [each.address for each in node.stream_servers(stream)]
    if behind != right:
        yield f"goes to {', '.join(behind) or target or 'nobody'}, not to {', '.join(right)}"
    for listen in server.every("listen"):
        asked = stream.accept_proxy_protocol and listen.words[1] not in itself
        if ("proxy_protocol" in listen.words) != asked:
            yield f"wants {'no ' if asked else ''}PROXY protocol on {listen.words[1]}"
    believed = [str(ip_network(each.words[1])) for each in server.every("set_real_ip_from")]
    trusted = list(map(str, node.trusted_networks)) if stream.accept_proxy_protocol else []
    if believed != trusted:
        yield f"believes {', '.join(believed) or 'nobody'}, not {', '.join(trusted) or 'anybody'}"
    over_tls = all("ssl" in listen.words for listen in server.every("listen"))
    if over_tls != bool(stream.tls):
        yield f"ends {'' if over_tls else 'no '}TLS"
    for directive, asked in (
        ("proxy_protocol", stream.proxy_protocol),
        ("proxy_ssl", bool(stream.to_tls)),
        ("proxy_ssl_verify", bool(stream.to_tls and stream.to_tls.verify)),
    ):
        if (server.last(directive) == "on") != asked:
            yield f"has {directive} {server.last(directive) or 'off'}"
    allowed = [str(ip_network(each.words[1])) for each in server.every("allow")]
    own = [f"{LOCALHOST}/32"] if stream.tls and stream.allow else []
    if allowed != [*own, *stream.allow] or (allowed and server.last("deny") != "all"):
        yield f"lets in {', '.join(allowed) or 'everybody'}"
