"""Whether another program has a port that nginx is to listen on: asked before anything is changed.

A staged configuration is tested for it as well, with all that snippets listen on; by then nginx has
been compiled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from settings import Bars, Mistake, Node

# ss's word for a socket that listens, and its option, by protocol.
_LISTENS = {"tcp": ("LISTEN", "t"), "udp": ("UNCONN", "u")}
# "tcp" or "udp", and the number.
Port = tuple[str, int]


class PortHolder(NamedTuple):
    """Who listens on a port: its name and number, "" and 0 where the kernel does not say."""

    port: Port
    name: str
    pid: int


def settings_of(node: Node) -> dict[Port, str]:
    """The setting of each port that nginx is to have."""
    found = {("tcp", node.http_port): "http_port"}
    if node.tls:
        found["tcp", node.https_port] = "https_port"
    if node.speaks_http3:
        found["udp", node.https_port] = "https_port"
    for stream in node.streams:
        found[stream.protocol, stream.listen] = f"streams[{stream.name}].listen"
    return found


def shell(ports: Collection[Port]) -> str:
    """Shell that prints who listens on these."""
    lines = []
    for protocol, (_, option) in _LISTENS.items():
        if numbers := [port for its, port in ports if its == protocol]:
            wanted = " or ".join(f"sport = :{port}" for port in numbers)
            lines.append(f"ss -H{option}lnp '( {wanted} )' 2>/dev/null || true")
    return "; ".join(lines)


def holders(text: str) -> tuple[PortHolder, ...]:
    """What `shell` has printed: those that keep nginx from listening on every IPv4 address."""
    found = set()
    protocols = {state: protocol for protocol, (state, _) in _LISTENS.items()}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 4 or words[3].startswith("["):
            continue
        protocol = protocols.get(words[0], "tcp")
        address, _, port = words[3].rpartition(":")
        # Datagrams to a device's own socket (systemd-resolved has 127.0.0.53%lo) are no others'.
        if protocol == "udp" and "%" in address:
            continue
        who = re.search(r'\(\("(.+?)",pid=(\d+)', line)
        name, pid = (who[1], int(who[2])) if who else ("", 0)
        found.add(PortHolder((protocol, int(port)), name, pid))
    return tuple(sorted(found))


def strange(node: Node, there: Collection[PortHolder]) -> Iterator[Mistake]:
    """Ports that another program than nginx has."""
    ports = settings_of(node)
    for port, name, pid in there:
        if name != "nginx" and port in ports:
            who = f"{name} (pid {pid})" if name else "another program"
            remedy = f"{who} listens there: end that, or give another port"
            yield Mistake(node.name, ports[port], port[1], remedy, Bars.DEPLOY)
