"""What cannot work between the machines of a cluster, and between clusters on one network."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from settings.cluster import Cluster
from settings.election import Election
from settings.mistakes import routed_mistakes, serving_warnings
from settings.mistakes.mistake import Mistake
from settings.mistakes.passed_on import loop_mistakes
from settings.mistakes.routers import router_mistakes
from settings.node import SHARED, Node
from settings.values import UNREAD, judged


def within(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    """What is wrong between the machines of the cluster `name`."""
    for setting in SHARED:
        yield from judged(_alike(name, nodes, setting))
    for setting in ("priority", "address", "address6"):
        yield from _distinct(nodes, setting)
    yield from judged(_distinct_more(nodes))
    for node in nodes:
        for other in nodes:
            for own in ("address", "address6"):
                yield from judged(_taken(name, node, getattr(other, own), other.name))
            yield from judged(_taken_more(name, node, other))
    yield from judged(_same_vrrp(name, nodes))
    yield from judged(_holders(name, nodes))
    yield from judged(_weights(name, nodes))
    yield from judged(_room(name, nodes))
    yield from judged(_classic_preempts(name, nodes))
    yield from judged(loop_mistakes.within(nodes))
    yield from judged(routed_mistakes.within(name, nodes))


def _read(nodes: Sequence[Node], setting: str) -> list[Node]:
    """Those of which this setting could be read."""
    return [node for node in nodes if getattr(node, setting) is not UNREAD]


def _alike(name: str, nodes: Sequence[Node], setting: str) -> Iterator[Mistake]:
    values = {getattr(node, setting) for node in _read(nodes, setting)}
    if len(values) > 1:
        shown = sorted(map(str, values))
        remedy = "give every machine of a cluster the same"
        yield Mistake(name, setting, " and ".join(shown), remedy)


def _distinct(nodes: Sequence[Node], setting: str) -> Iterator[Mistake]:
    owners: dict[object, list[str]] = defaultdict(list)
    for node in _read(nodes, setting):
        owners[getattr(node, setting)].append(node.name)
    for value, names in owners.items():
        if len(names) > 1 and value is not None:
            yield Mistake(", ".join(names), setting, value, "give each machine its own")


def _distinct_more(nodes: Sequence[Node]) -> Iterator[Mistake]:
    """Own addresses on further interfaces that are those of another machine, too."""
    for node, other in combinations(nodes, 2):
        both = set(node.own_addresses) & set(other.own_addresses)
        # What both have as their first is told of `address`, or of `address6`.
        for own in both - ({node.address, node.address6} & {other.address, other.address6}):
            names = f"{node.name}, {other.name}"
            yield Mistake(names, "more_interfaces", own, "give each machine its own")


def _taken(name: str, node: Node, own: object, owner: str) -> Iterator[Mistake]:
    """VIPs that are the address `own` of another machine."""
    for setting, vip in node.vip_settings:
        if vip.ip == own:
            yield Mistake(name, setting, vip, f"this is the address of {owner} itself")


def _taken_more(name: str, node: Node, other: Node) -> Iterator[Mistake]:
    for _, addresses in other.more_interfaces:
        for own in addresses:
            yield from _taken(name, node, own, other.name)


def _same_vrrp(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    """Machines of which some only have an interface for VRRP hear nothing of the others."""
    without = [node.name for node in nodes if node.vrrp_interface is None]
    if 0 < len(without) < len(nodes):
        wanted = ", ".join(without)
        yield Mistake(name, "vrrp_interface", None, f"{wanted}: give each machine one, or none")


def _holders(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    names = [node.name for node in nodes]
    for vip, holder in nodes[0].more_vips if nodes and not nodes[0].routed else ():
        if holder not in names:
            shown = f"{vip} on {holder or 'nobody'}"
            members = ", ".join(names)
            remedy = f"name the machine that holds it while all are well: one of {members}"
            yield Mistake(name, "more_vips", shown, remedy)


def _weights(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    if not nodes or not nodes[0].classic:
        return  # the weights are computed, see settings/election.py and `_room`
    priorities = [node.priority for node in nodes]
    span = max(priorities) - min(priorities)
    checks = nodes[0].checks
    own = 0 if checks is UNREAD else (span + 1) * sum(check.weight for check in checks)
    why = f"cannot move the VIP: priorities are {span} apart"
    why += f", and own checks weigh {own} together" if own else ""
    for setting in ("nginx_weight", "maintenance_weight"):
        weight = getattr(nodes[0], setting)
        if weight is not UNREAD and -weight <= span + own:
            yield Mistake(name, setting, weight, f"{why}, give {-span - own - 1} or less")
    if own and min(priorities) - own + nodes[0].nginx_weight + nodes[0].maintenance_weight < 1:
        remedy = (
            "with everything taken off, a priority is below 1: give higher ones, or less weight"
        )
        yield Mistake(name, "priority", min(priorities), remedy)


def _room(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    """Whether the weights of own checks fit into VRRP's range, in the default profile."""
    if not nodes or nodes[0].classic or nodes[0].routed:
        return
    checks = sum(check.weight for check in nodes[0].checks)
    election = Election(len(nodes), checks, stays=not nodes[0].preempt)
    if election.is_possible:
        return
    if checks and election.most_checks >= 0:
        remedy = f"{len(nodes)} nodes have room for {election.most_checks} in all"
        yield Mistake(name, "checks", f"weights of {checks} together", remedy)
    elif not nodes[0].preempt:
        yield Mistake(name, "preempt", False, f"give True: {len(nodes)} nodes are too many for it")


def _classic_preempts(name: str, nodes: Sequence[Node]) -> Iterator[Mistake]:
    if nodes and nodes[0].classic and not nodes[0].preempt:
        remedy = "the recipe's profile always preempts: give True, or vrrp_version = 3"
        yield Mistake(name, "preempt", False, remedy)


def between(clusters: Sequence[Cluster]) -> Iterator[Mistake]:
    """What is wrong between any two VIPs, of one cluster or of several, on one network."""
    views = [(cluster.name, view) for cluster in clusters for view in judged(_views(cluster))]
    for (name, view), (other_name, other) in combinations(views, 2):
        where = ", ".join(dict.fromkeys((name, other_name)))
        for clash in (_same_vip, _same_vip6, _same_router):
            yield from judged(clash(where, view, other))
    yield from router_mistakes.between(clusters)


def _views(cluster: Cluster) -> Iterator[Cluster]:
    yield from cluster.vips


def _same_vip(where: str, view: Cluster, other: Cluster) -> Iterator[Mistake]:
    if view.vip.ip == other.vip.ip:
        setting = "more_vips" if other.place else "vip"
        yield Mistake(where, setting, other.vip, "give each VIP an address of its own")


def _same_vip6(where: str, view: Cluster, other: Cluster) -> Iterator[Mistake]:
    for one, two in ((view, other), (other, view)):
        if one.vip6 and one.vip6.ip in (two.vip.ip, two.vip6 and two.vip6.ip):
            yield Mistake(where, "vip6", one.vip6, "give each VIP an address of its own")


def _shared_network(view: Cluster, other: Cluster) -> object:
    """The network in which both are, or speak VRRP; None if there is none."""
    if view.vip.network.overlaps(other.vip.network):
        return min(view.vip, other.vip, key=lambda vip: vip.network.prefixlen).network
    for one, two in ((view, other), (other, view)):
        if one.preferred.speaks_from in two.vip.network:
            return two.vip.network
    return None


def _same_router(where: str, view: Cluster, other: Cluster) -> Iterator[Mistake]:
    router_id = view.preferred.virtual_router_id
    if router_id != other.preferred.virtual_router_id or view.routed or other.routed:
        return
    if network := _shared_network(view, other):
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
