"""Which of nginx's servers speak HTTP/3, beside the settings."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Node
from verify.read.blocks import Block


def spoken_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with it, of all servers. `root`: without people's own."""
    port = str(node.https_port)
    every = (port, f"[::]:{port}") if node.ipv6 else (port,)
    for server in root.every("http", "server"):
        listens = [each.words[1:] for each in server.every("listen")]
        over_tls = any("ssl" in words for words in listens)
        found = {words[0] for words in listens if "quic" in words}
        wanted = set(every) if node.http3 and over_tls else set()
        name = (server.last("server_name").split() or ["a server"])[0]
        yield from (f"{name} speaks HTTP/3 on {extra}, too" for extra in sorted(found - wanted))
        yield from (f"{name} speaks no HTTP/3 on {each}" for each in sorted(wanted - found))
        # (nginx takes it once.)
        apart = {words[0] for words in listens if {"quic", "reuseport"} <= set(words)}
        if name == "_" and (shared := wanted & found - apart):
            yield f"workers share a socket of UDP on {', '.join(sorted(shared))} (no reuseport)"
