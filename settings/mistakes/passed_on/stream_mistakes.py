"""What cannot work about streams: ports, servers, TLS, and what goes with TCP or UDP alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from settings.mistakes import proxy_mistakes
from settings.mistakes.mistake import Bars, Mistake
from settings.network.routed_settings import PORTS
from settings.node import Node
from settings.serving.proxy import Server
from settings.serving.streams import Stream
from settings.values import UNREAD, NotRead, judged

SSH = 22
# What is wrong with one stream: the setting in it ("" for the whole), its value, and what is right.
Found = Iterator[tuple[str, object, str]]
Judge = Callable[[Node, Stream], Found]


def _each(judge: Judge, bars: Bars = Bars.EVERYTHING) -> Callable[[Node], Iterator[Mistake]]:
    """A part that judges every stream of a node by itself."""

    def part(node: Node) -> Iterator[Mistake]:
        for stream in _readable(node):
            for name, value, remedy in judged(judge(node, stream)):
                yield Mistake(node.name, _setting(stream, name), value, remedy, bars)

    return part


def _readable(node: Node) -> Iterator[Stream]:
    streams = () if node.streams is UNREAD else node.streams
    return (each for each in streams if each is not UNREAD and each.name is not UNREAD)


def _setting(stream: Stream, name: str) -> str:
    return f"streams[{stream.name}].{name}" if name else f"streams[{stream.name}]"


def _target(node: Node, stream: Stream) -> Found:
    if stream.to and stream.upstream:
        yield "to", stream.upstream, "give servers, or the name of an upstream, and not both"
    if not stream.to and not stream.upstream:
        yield "to", "(not set)", 'give servers, ["10.0.0.11:1883"], or the name of an upstream'


def _upstream(node: Node, stream: Stream) -> Found:
    """Names of upstreams that are not there, or whose servers' names are looked up again."""
    if not stream.upstream:
        return
    known = {upstream.name: upstream for upstream in node.upstreams}
    if stream.upstream not in known:
        yield "to", stream.upstream, proxy_mistakes.no_upstream(stream.upstream, known)
    elif node.looks_up(known[stream.upstream]):
        remedy = "a stream to an upstream with resolve takes nginx_version 1.27.3 or newer"
        yield "to", f"{stream.upstream}, nginx {node.nginx_version}", f"{remedy}: name its servers"


def _servers(node: Node, stream: Stream) -> Found:
    """Its own servers; an upstream's are judged with that."""
    for value, remedy in judged(proxy_mistakes.twice(stream.to)):
        yield "to", value, remedy
    for value, remedy in judged(proxy_mistakes.sockets(node, stream.to)):
        yield "to", value, remedy
    servers = _all_servers(node, stream) if stream.balance == "hash" else stream.to
    for value, remedy in judged(proxy_mistakes.backups(servers, stream.balance, "hash")):
        yield "to", value, remedy


def _all_servers(node: Node, stream: Stream) -> tuple[Server, ...]:
    """None, where an upstream is not there."""
    try:
        return node.stream_servers(stream)
    except NotRead:
        return ()


def _only_of(node: Node, stream: Stream) -> Found:
    """What goes with the other protocol only."""
    if stream.is_tcp:
        for name in ("responses", "requests"):
            if (value := getattr(stream, name)) is not None:
                yield name, value, 'TCP counts no datagrams: leave it out, or protocol = "udp"'
        return
    if stream.tls:
        yield "tls", True, "TLS is for TCP: leave it out (what clients encrypt themselves passes)"
    if stream.to_tls:
        yield "to_tls", True, "TLS is for TCP: leave it out"
    for name in ("proxy_protocol", "accept_proxy_protocol"):
        if getattr(stream, name):
            yield name, True, "it stands before what TCP brings: leave it out"
    for server in _all_servers(node, stream):
        if server.address.startswith("unix:"):
            yield "to", server.address, "UDP goes to an address: HOST:PORT"


def _from_proxies(node: Node, stream: Stream) -> Found:
    """Whom nothing is believed that they say of clients."""
    if stream.accept_proxy_protocol and stream.is_tcp and not node.trusted_proxies:
        remedy = "name the proxies that speak it in trusted_proxies: nobody else is believed"
        yield "accept_proxy_protocol", True, remedy


def _certificate(node: Node, stream: Stream) -> Found:
    """Which certificate its clients are shown, and whether that is all of it."""
    if not (tls := stream.tls) or not stream.is_tcp:
        return
    if tls.is_common and not node.tls_certificate:
        own = '{"certificate": "mqtt.pem", "key": "mqtt.key"}'
        yield "tls", True, f"set tls_certificate and tls_key, or give its own: {own}"
    if not tls.is_common and bool(tls.certificate) != bool(tls.key_origins):
        missing = "key" if tls.certificate else "certificate"
        yield f"tls.{missing}", "(not set)", "TLS takes both: certificate and key"
    for origin in tls.key_origins[1:]:
        remedy = f"{tls.key_origins[0].setting} is set, too: give one of them"
        yield f"tls.{origin.setting}", origin.where, remedy


def _certificate_files(node: Node) -> Iterator[Mistake]:
    for stream in _readable(node):
        yield from judged(_files(node, stream))


def _files(node: Node, stream: Stream) -> Iterator[Mistake]:
    if pair := stream.own_certificate:
        # Imported here, because it takes 0.07 s, and most machines have no TLS.
        from settings.mistakes import certificate_mistakes

        yield from certificate_mistakes.mistakes(node.name, pair)


def _to_tls_again(node: Node, stream: Stream) -> Found:
    """An upstream that expects TLS, and a stream that takes its clients' off."""
    if not stream.tls or not stream.is_tcp or stream.to_tls or not stream.upstream:
        return
    if node.upstream(stream.upstream).tls:
        remedy = f"set to_tls, or name its servers: {stream.upstream} has tls, of which a stream"
        yield "to_tls", "(not set)", f"{remedy} takes nothing, and this one ends its clients' TLS"


def _to_tls(node: Node, stream: Stream) -> Found:
    servers = _all_servers(node, stream)
    for name, value, remedy in judged(proxy_mistakes.tls_faults(stream.to_tls, servers)):
        yield f"to_tls.{name}", value, remedy


def _ports(node: Node) -> Iterator[Mistake]:
    """Ports that are somebody else's."""
    taken: dict[tuple[str, int], str] = {("tcp", SSH): "ssh's, by which a deploy comes"}
    taken |= {("udp", port): "the hand-over's (docs/handover.md)" for port in _beats(node)}
    taken |= _birds(node)
    others = ["http_port"]
    others += ["https_port"] if node.tls_certificate else []
    others += ["metrics_nginx_port", "metrics_port"] if node.metrics else []
    for setting in others:
        if (port := getattr(node, setting)) is not UNREAD:
            taken["tcp", port] = f"{setting}, too"
    if _speaks_http3(node) and node.https_port is not UNREAD:
        taken["udp", node.https_port] = "HTTP/3's (https_port, http3)"
    listening: dict[tuple[str, int], list[Stream]] = defaultdict(list)
    for stream in _readable(node):
        if stream.listen is not UNREAD and stream.protocol is not UNREAD:
            listening[stream.protocol, stream.listen].append(stream)
    for (protocol, port), streams in listening.items():
        whose = taken.get((protocol, port))
        for stream in streams if whose else streams[1:]:
            remedy = f"this is {whose or f'that of {streams[0].name}, too'}; give another port"
            yield Mistake(node.name, _setting(stream, "listen"), port, remedy)


def _speaks_http3(node: Node) -> bool:
    try:
        return node.speaks_http3
    except NotRead:
        return False


def _birds(node: Node) -> dict[tuple[str, int], str]:
    try:
        return PORTS if node.routed else {}
    except NotRead:
        return {}


def _beats(node: Node) -> tuple[int, ...]:
    try:
        return tuple(node.beat_ports)
    except NotRead:
        return ()


PARTS = (
    *map(_each, (_target, _upstream, _servers, _only_of, _from_proxies)),
    *map(_each, (_certificate, _to_tls_again)),
    _each(_to_tls, Bars.DEPLOY),
    _certificate_files,
    _ports,
)
