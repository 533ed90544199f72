"""Whether somebody else has a VIP that is new to a machine, or an address of the machines' own:
asked with its survey, and judged.

In a routed cluster nobody is to be asked for the VIP by ARP: it is in no network of the machines,
and a router may well answer for what is elsewhere (RT-18 tells when all is there). There the other
machines' own addresses alone are asked for, until a machine has been deployed.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from controller import rendering
from settings import Cluster, Mistake, Node
from tasks.machine.quoting import quoted

BIRD_CONF = "/etc/bird/bird.conf"


class Question(NamedTuple):
    """What a machine asks the network of an interface for: the VIPs there, and the cluster's other
    machines, whose MACs are no stranger's. Without VIPs it is asked for those alone."""

    interface: str
    vips: tuple[str, ...]
    peers: tuple[str, ...]


class Reply(NamedTuple):
    """Who has an address, as the network says."""

    address: str
    mac: str


def questions(node: Node, cluster: Cluster) -> tuple[Question, ...]:
    """What this node's machine is to ask, one for each interface that has a VIP."""
    if cluster.routed:
        others = [str(own) for peer in cluster.peers(node) for own in _first(peer)]
        return (Question(node.interface, (), tuple(others)),) if others else ()
    found: dict[str, Question] = {}
    for vrrp in cluster.vips:
        name = vrrp.view_of(node).interface
        _, vips, peers = found.get(name, Question(name, (), ()))
        more = [str(vip.ip) for vip in (vrrp.vip, vrrp.vip6) if vip]
        own = [ip for peer in vrrp.peers(node) for ip in _first(peer)]
        every = dict.fromkeys((*peers, *map(str, own)))
        found[name] = Question(name, (*vips, *more), tuple(every))
    return tuple(found.values())


def _first(node: Node) -> list[IPv4Address | IPv6Address]:
    """Its own addresses on the VIP's interface."""
    return [own for own in (node.address, node.address6) if own]


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
    if not asked.vips:
        deployed = f"grep -qs '^router id ' {BIRD_CONF}"
        return f"{deployed} || {who} {quoted(*asked.peers)} 2>/dev/null || true"
    return (
        f"set --; for vip in {quoted(*asked.vips)}; do "
        f'grep -qswF -e "$vip" {keepalived_conf} || set -- "$@" "$vip"; done; '
        f'[ $# -eq 0 ] || {who} "$@" {quoted(*asked.peers)} 2>/dev/null || true'
    )


def answers(text: str) -> tuple[Reply, ...]:
    """The replies that `shell` has printed."""
    found = re.findall(r"^([\da-f.:]+) ((?:[\da-f]{2}:){5}[\da-f]{2})$", text, re.MULTILINE)
    return tuple(Reply(address, mac) for address, mac in found)


def found_by_all(
    clusters: Iterable[Cluster],
    said: Collection[tuple[Node, Collection[Reply]]],
    macs: Collection[str],
) -> Iterator[Mistake]:
    """Every address of these clusters that somebody else has.

    + said: what each machine has been told. + macs: those of all of them.
    """
    for node, replies in said:
        yield from found(node, replies, macs)
    whole = {reply for _, replies in said for reply in replies}
    for cluster in clusters:
        yield from twice(cluster, whole, macs)


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


def twice(cluster: Cluster, replies: Collection[Reply], macs: Collection[str]) -> Iterator[Mistake]:
    """Own addresses of the cluster's machines that somebody else has as well.

    + macs: those of all machines that were asked. Where none of these answers for an address, its
      machine was not asked, or the network answers for everybody by a card of its own.
    """
    for node in cluster.nodes:
        for setting, own in (("address", node.address), ("address6", node.address6)):
            there = {mac for address, mac in replies if own and address == str(own)}
            others = sorted(there.difference(macs))
            if others and there.intersection(macs):
                remedy = (
                    f"somebody else has it as well, with the MAC {' and '.join(others)}: whoever "
                    "is nearer gets what is meant for this machine. Give each an address of its own"
                )
                yield Mistake(node.name, setting, own, remedy)
