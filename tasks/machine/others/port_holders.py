"""Whether another program has a port that nginx is to listen on: asked before anything is changed.

A staged configuration is tested for it as well, with all that snippets listen on; by then nginx has
been compiled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from settings import Bars, Mistake, Node


class PortHolder(NamedTuple):
    """Who listens on a port: its name and number, "" and 0 where the kernel does not say."""

    port: int
    name: str
    pid: int


def settings_of(node: Node) -> dict[int, str]:
    """The setting of each port that nginx is to have."""
    return {node.http_port: "http_port"} | ({node.https_port: "https_port"} if node.tls else {})


def shell(ports: Collection[int]) -> str:
    """Shell that prints who listens on these."""
    wanted = " or ".join(f"sport = :{port}" for port in ports)
    return f"ss -Htlnp '( {wanted} )' 2>/dev/null || true"


def holders(text: str) -> tuple[PortHolder, ...]:
    """What `shell` has printed: those that keep nginx from listening on every IPv4 address."""
    found = set()
    for line in text.splitlines():
        words = line.split()
        if len(words) > 3 and not words[3].startswith("["):
            who = re.search(r'\(\("(.+?)",pid=(\d+)', line)
            port = int(words[3].rpartition(":")[2])
            found.add(PortHolder(port, who[1] if who else "", int(who[2]) if who else 0))
    return tuple(sorted(found))


def strange(node: Node, there: Collection[PortHolder]) -> Iterator[Mistake]:
    """Ports that another program than nginx has."""
    ports = settings_of(node)
    for port, name, pid in there:
        if name != "nginx" and port in ports:
            who = f"{name} (pid {pid})" if name else "another program"
            remedy = f"{who} listens there: end that, or give another port"
            yield Mistake(node.name, ports[port], port, remedy, Bars.DEPLOY)
