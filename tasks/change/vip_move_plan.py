"""Decides which nodes a switch-over drains and who then holds each VIP; pure."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from settings import Cluster, Node, Refused, RunOptions
from settings.election import NodeState

# The options of switchover.py, of which a run has one.
VERBS = ("to", "drain", "undrain")


@dataclass(frozen=True)
class NodeStatus:
    """A node before a move.

    + holds: the VIPs it has.
    + trouble: why it could not hold any, "" if it could.
    + ranks: its VRRP priority for each VIP, as keepalived has it there; {} where that is not said.
    + aside: it is drained only because an earlier `to=` gave the VIPs to another.
    + lost: by how much the priority of each vrrp_instance is below its configured one; {} where
      that was not asked, since no check of a person's own has a weight.
    """

    holds: frozenset[str] = frozenset()
    drained: bool = False
    trouble: str = "it does not answer"
    aside: bool = False
    ranks: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class VipMove:
    """One switch-over of a cluster.

    + drained: which nodes are drained after it.
    + holders: the node that then has each VIP.
    + leaving: the node that `drain=` names, "" for none.
    + for_now: nodes that are drained only until the VIPs have moved, after which they stay.
    """

    cluster: Cluster
    before: Mapping[str, NodeStatus]
    drained: Mapping[str, bool]
    holders: Mapping[str, str]
    leaving: str
    for_now: frozenset[str] = frozenset()

    def wanted(self, node: str) -> frozenset[str]:
        """The VIPs that a node has afterwards."""
        return frozenset(vip for vip, holder in self.holders.items() if holder == node)

    @property
    def moves(self) -> int:
        """How many VIPs come to another machine."""
        return sum(
            vip not in self.before[name].holds
            for vip, name in self.holders.items()
            if any(vip in status.holds for status in self.before.values())
        )

    @property
    def begins(self) -> frozenset[str]:
        """Nodes whose drain begins, or becomes one of its own."""
        return frozenset(
            name
            for name, on in self.drained.items()
            if on
            if not self.before[name].drained or (name == self.leaving and self.before[name].aside)
        )

    @property
    def ends(self) -> frozenset[str]:
        """Nodes whose drain ends."""
        return frozenset(n for n, on in self.drained.items() if not on and self.before[n].drained)


def plan_move(cluster: Cluster, before: Mapping[str, NodeStatus], options: RunOptions) -> VipMove:
    """What to drain so that the VIP is where `options` want it.

    Raises `Refused` where draining would not move it there.
    """
    # The order that is in force, which is another one than the settings' after a rollback.
    cluster = cluster.ranked({name: status.ranks for name, status in before.items()})
    names = [node.name for node in cluster.nodes]
    verb = next(verb for verb in VERBS if getattr(options, verb))
    target: str = getattr(options, verb)
    drained = _drained_after(cluster, before, verb, target)
    able = [name for name in names if name in before and not before[name].trouble]
    if verb == "to" and target not in able:
        why = before[target].trouble if target in before else "it was left out by --limit"
        raise Refused(f"{target} cannot hold the VIP now: {why}. Nothing was changed.")
    if not able:
        raise Refused(f"No machine of {cluster.name} could hold the VIP. Nothing was changed.")
    holders = _elected_each(cluster, able, drained, before)
    # Own checks that fail on the target may put others before it: no more than a drain does.
    while verb == "to" and (ahead := {*holders.values()} - {target}):
        if all(drained.get(name) for name in ahead):
            break
        drained |= dict.fromkeys(ahead, True)
        holders = _elected_each(cluster, able, drained, before)
    # Also not to one that was drained before: it is being worked on.
    if verb == "drain" and any(drained.get(holder) for holder in holders.values()):
        why = "; ".join(
            f"{name}: {before[name].trouble or 'it is drained itself'}"
            for name in names
            if name in before and name != target
        )
        raise Refused(
            f"No other machine could take the VIP from {target} ({why or 'none was asked'}). "
            "Nothing was changed."
        )
    return VipMove(
        cluster=cluster,
        before=before,
        drained=drained,
        holders=holders,
        leaving=target if verb == "drain" else "",
        for_now=_for_now(cluster, before, verb, target),
    )


def _for_now(
    cluster: Cluster, before: Mapping[str, NodeStatus], verb: str, target: str
) -> frozenset[str]:
    """Nodes that have to be drained for the move alone, where the VIPs then stay."""
    if verb != "to" or not cluster.stays:
        return frozenset()
    names = {name for name, it in before.items() if not it.drained or it.aside}
    return frozenset(names - {target})


def _drained_after(
    cluster: Cluster, before: Mapping[str, NodeStatus], verb: str, target: str
) -> dict[str, bool]:
    """Which nodes are drained once `verb` was done for `target`."""
    drained = {
        node.name: before[node.name].drained for node in cluster.nodes if node.name in before
    }
    # Nodes before the target in a VIP's line have to be drained; those after it in all lines no
    # longer, if they were for an earlier to=.
    lines = [[node.name for node in vrrp.nodes] for vrrp in cluster.vips]
    ahead = {name for line in lines for name in line[: line.index(target)]}
    if cluster.stays and verb == "to":  # whoever has a VIP would keep it
        ahead = {name for line in lines for name in line} - {target}
    if verb == "to":
        drained |= {name: True for name in ahead if name in before}
    if verb != "drain":
        after = set(before) - ahead - {target}
        if len(lines) > 1 and verb == "undrain" and before[target].aside:
            after = set(before)  # all VIPs had gone to one node: each goes back to its own
        drained |= {name: False for name in after if before[name].aside}
    drained[target] = verb == "drain"
    return drained


def _elected_each(
    cluster: Cluster,
    able: Container[str],
    drained: Mapping[str, bool],
    before: Mapping[str, NodeStatus],
) -> dict[str, str]:
    """The node that will hold each VIP."""
    return {str(vrrp.vip.ip): _elected(vrrp, able, drained, before) for vrrp in cluster.vips}


def _failed(vrrp: Cluster, node: Node, status: NodeStatus | None) -> int:
    """What a node's failing own checks weigh together, as far as its priority tells."""
    units = [-vrrp.check_weight(check) // check.weight for check in node.checks if check.weight]
    if not units or status is None or vrrp.instance not in status.lost:
        return 0
    weights = vrrp.weights
    lost = status.lost[vrrp.instance]
    if status.drained:
        lost += node.maintenance_weight if node.classic else weights.maintenance
    if vrrp.stays and str(vrrp.vip.ip) in status.holds:
        lost += weights.holder
    return max(0, lost // units[0])


def _elected(
    vrrp: Cluster,
    able: Container[str],
    drained: Mapping[str, bool],
    before: Mapping[str, NodeStatus],
) -> str:
    standings = [
        NodeState(
            dead=node.name not in able,
            drained=drained.get(node.name, False),
            failed=_failed(vrrp, node, before.get(node.name)),
        )
        for node in vrrp.nodes
    ]
    vip = str(vrrp.vip.ip)
    holding = [
        place
        for place, node in enumerate(vrrp.nodes)
        if vrrp.stays and node.name in before and vip in before[node.name].holds
    ]
    return vrrp.nodes[vrrp.election.elected(standings, next(iter(holding), None))].name
