"""Which of nginx's servers speak HTTP/2 and HTTP/3, beside the settings."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Node
from settings.serving.site import Site
from verify.read.blocks import Block


def spoken_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with it, of all servers. `root`: without people's own."""
    sites = {site.server_names[0]: site for site in node.sites}
    for server in root.every("http", "server"):
        names = [name for each in server.every("server_name") for name in each.words[1:]]
        name = next(filter(None, names), "a server")
        yield from _otherwise(server, name, sites.get(name), node)


def _otherwise(server: Block, name: str, site: Site | None, node: Node) -> Iterator[str]:
    """`site`: None for what speaks as the cluster does."""
    listens = [each.words[1:] for each in server.every("listen")]
    over_tls = any("ssl" in words for words in listens)
    if over_tls:
        yield from _http2_otherwise(server, name, listens, site, node)
    port = str(node.https_port)
    every = (port, f"[::]:{port}") if node.ipv6 else (port,)
    found = {words[0] for words in listens if "quic" in words}
    wanted = set(every) if node.http3_of(site) and over_tls else set()
    # Who speaks none listens, too, where another one does.
    speaks = server.last("http3") != "off"
    extra = found - set(every) if node.speaks_http3 and not speaks else found - wanted
    yield from (f"{name} speaks HTTP/3 on {each}, too" for each in sorted(extra))
    missing = wanted - found if speaks else wanted
    yield from (f"{name} speaks no HTTP/3 on {each}" for each in sorted(missing))
    if node.speaks_http3 and over_tls and not wanted and (gone := sorted(set(every) - found)):
        yield f"who asks for {name} by HTTP/3 gets the default server's on {', '.join(gone)}"
    # (nginx takes it once.)
    apart = {words[0] for words in listens if {"quic", "reuseport"} <= set(words)}
    if name == "_" and (shared := found & set(every) - apart):
        yield f"workers share a socket of UDP on {', '.join(sorted(shared))} (no reuseport)"


def _http2_otherwise(
    server: Block, name: str, listens: list[tuple[str, ...]], site: Site | None, node: Node
) -> Iterator[str]:
    spoken = server.last("http2") == "on" or any("http2" in words for words in listens)
    if spoken != node.http2_of(site):
        yield f"{name} speaks HTTP/2" if spoken else f"{name} speaks no HTTP/2"
