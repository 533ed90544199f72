"""Whether somebody else has a VIP that is new to a machine: asked with its survey, and judged."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from controller import rendering
from settings import Cluster, Mistake, Node
from tasks.machine.quoting import quoted


class Question(NamedTuple):
    """What a machine asks the network of an interface for: the VIPs there, and the cluster's other
    machines, whose MACs are no stranger's."""

    interface: str
    vips: tuple[str, ...]
    peers: tuple[str, ...]


class Reply(NamedTuple):
    """Who has an address, as the network says."""

    address: str
    mac: str


def questions(node: Node, cluster: Cluster) -> tuple[Question, ...]:
    """What this node's machine is to ask, one for each interface that has a VIP."""
    found: dict[str, Question] = {}
    for vrrp in cluster.vips:
        name = vrrp.view_of(node).interface
        _, vips, peers = found.get(name, Question(name, (), ()))
        more = [str(vip.ip) for vip in (vrrp.vip, vrrp.vip6) if vip]
        own = [ip for peer in vrrp.peers(node) for ip in (peer.address, peer.address6) if ip]
        every = dict.fromkeys((*peers, *map(str, own)))
        found[name] = Question(name, (*vips, *more), tuple(every))
    return tuple(found.values())


@cache
def _program() -> str:
    """What asks, as a word of Python: it is short, and goes through every shell unchanged."""
    packed = base64.b64encode(
        zlib.compress(rendering.read("first_inventory/ask_network.py").encode(), 9)
    ).decode()
    return f"import base64,zlib;exec(zlib.decompress(base64.b64decode('{packed}')))"


def shell(asked: Iterable[Question], keepalived_conf: str) -> str:
    """Shell that prints the replies about those VIPs that keepalived's configuration has not yet,
    and takes no time where it has them all. Without Python it prints nothing."""
    return "; ".join(_shell(each, keepalived_conf) for each in asked)


def _shell(asked: Question, keepalived_conf: str) -> str:
    who = quoted("python3", "-c", _program(), "who", asked.interface)
    return (
        f"set --; for vip in {quoted(*asked.vips)}; do "
        f'grep -qswF -e "$vip" {keepalived_conf} || set -- "$@" "$vip"; done; '
        f'[ $# -eq 0 ] || {who} "$@" {quoted(*asked.peers)} 2>/dev/null || true'
    )


def answers(text: str) -> tuple[Reply, ...]:
    """The replies that `shell` has printed."""
    found = re.findall(r"^([\da-f.:]+) ((?:[\da-f]{2}:){5}[\da-f]{2})$", text, re.MULTILINE)
    return tuple(Reply(address, mac) for address, mac in found)


def found(node: Node, replies: Collection[Reply], macs: Collection[str]) -> Iterator[Mistake]:
    """VIPs of this node that somebody has who is none of the cluster.

    + macs: those of all machines that were asked. A machine that was not is known by its address.
    """
    vips = {str(vip.ip): (setting, vip) for setting, vip in node.vip_settings}
    known = {*macs, *(reply.mac for reply in replies if reply.address not in vips)}
    for address, mac in sorted(set(replies)):
        if address in vips and mac not in known:
            setting, vip = vips[address]
            remedy = f"somebody has it already, with the MAC {mac}: give an address that is free"
            yield Mistake(node.name, setting, vip, remedy)
