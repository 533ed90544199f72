"""What cannot work between the machines of a cluster, and between clusters on one network."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from settings.cluster import Cluster
from settings.mistakes import serving_warnings
from settings.mistakes.mistake import Mistake
from settings.node import SHARED, Node


def within(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    """What is wrong between the machines of the cluster `name`."""
    yield from _alike(name, nodes)
    yield from _distinct(nodes)
    yield from _vips(name, nodes)
    # By default the weights are computed, see settings/election.py.
    if nodes and nodes[0].classic:
        yield from _weights(name, nodes)


def _alike(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    for setting in SHARED:
        values = {getattr(node, setting) for node in nodes}
        if len(values) > 1:
            shown = sorted(map(str, values))
            remedy = "give every machine of a cluster the same"
            yield Mistake(name, setting, " and ".join(shown), remedy)


def _distinct(nodes: Sequence[Node]) -> Iterator[Mistake]:
    for setting in ("priority", "address", "address6"):
        owners: dict[object, list[str]] = defaultdict(list)
        for node in nodes:
            owners[getattr(node, setting)].append(node.name)
        for value, names in owners.items():
            if len(names) > 1 and value is not None:
                yield Mistake(", ".join(names), setting, value, "give each machine its own")


def _vips(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    for node in nodes:
        for setting, vip in node.vip_settings:
            for other in nodes:
                if vip.ip in (other.address, other.address6):
                    yield Mistake(name, setting, vip, f"this is the address of {other.name} itself")
    names = [node.name for node in nodes]
    for vip, holder in nodes[0].more_vips if nodes else ():
        if holder not in names:
            shown = f"{vip} on {holder or 'nobody'}"
            members = ", ".join(names)
            remedy = f"name the machine that holds it while all are well: one of {members}"
            yield Mistake(name, "more_vips", shown, remedy)


def _weights(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    priorities = [node.priority for node in nodes]
    span = max(priorities) - min(priorities)
    for setting in ("nginx_weight", "maintenance_weight"):
        weight = getattr(nodes[0], setting)
        if -weight <= span:
            remedy = f"cannot move the VIP: priorities are {span} apart, give {-span - 1} or less"
            yield Mistake(name, setting, weight, remedy)


def between(clusters: Sequence[Cluster]) -> Iterator[Mistake]:
    """What is wrong between any two VIPs, of one cluster or of several, on one network."""
    views = [(cluster, view) for cluster in clusters for view in cluster.vips]
    for (cluster, view), (other_cluster, other) in combinations(views, 2):
        where = ", ".join(dict.fromkeys((cluster.name, other_cluster.name)))
        if view.vip.ip == other.vip.ip:
            setting = "more_vips" if other.place else "vip"
            yield Mistake(where, setting, other.vip, "give each VIP an address of its own")
        if view.vip6 and view.vip6.ip in (other.vip.ip, other.vip6 and other.vip6.ip):
            yield Mistake(where, "vip6", view.vip6, "give each VIP an address of its own")
        router_id, network = view.preferred.virtual_router_id, view.vip.network
        if router_id == other.preferred.virtual_router_id and network.overlaps(other.vip.network):
            remedy = f"both are on {network}; give each cluster its own number"
            yield Mistake(where, "virtual_router_id", router_id, remedy)


def warnings(cluster: Cluster) -> Iterator[str]:
    """What may be meant, but is worth a word."""
    counts = Counter(view.preferred.name for view in cluster.vips)
    idle = ", ".join(node.name for node in cluster.nodes if node.name not in counts)
    for name, count in counts.items():
        if count > 1 and idle:
            vips = ", ".join(str(v.vip.ip) for v in cluster.vips if v.preferred.name == name)
            yield f"{cluster.name}: {name} is preferred for {vips}, while {idle} has none"
    yield from serving_warnings.warnings(cluster)
