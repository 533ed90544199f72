"""Who may speak VRRP to a machine, and where: what nftables lets through."""

from __future__ import annotations

from typing import NamedTuple

from settings import Cluster, Node


class AdmittedSpeakers(NamedTuple):
    """Those who may speak as some virtual routers on one interface, and the name of their chain."""

    chain: str
    interface: str
    router_ids: tuple[int, ...]
    sources: tuple[str, ...]


def speakers(node: Node, cluster: Cluster) -> dict[str, list[AdmittedSpeakers]]:
    """All of them by address family, as nftables names it."""
    found: dict[str, dict[tuple[str, frozenset[str]], AdmittedSpeakers]] = {}
    for vrrp in sorted(cluster.vips, key=lambda vrrp: vrrp.family):
        mine = vrrp.view_of(node)
        interface, number = mine.vrrp.name, mine.virtual_router_id
        sources = tuple(str(peer.speaks_from) for peer in vrrp.peers(node))
        groups = found.setdefault(vrrp.family, {})
        chain = f"ours_{len(groups) + 1}" if groups else "ours"
        group = groups.setdefault(
            (interface, frozenset(sources)), AdmittedSpeakers(chain, interface, (), sources)
        )
        groups[interface, frozenset(sources)] = group._replace(
            router_ids=(*group.router_ids, number)
        )
    return {family: list(groups.values()) for family, groups in found.items()}
