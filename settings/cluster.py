"""Machines that share a VIP, or several: in which order, and what each VIP has of its own."""

from __future__ import annotations

from functools import cached_property
from ipaddress import IPv6Interface

from settings import election
from settings.node import Interface, Node
from settings.values import Values


class Cluster(Values):
    """Machines that share a VIP, the highest priority first.

    Where they share several, `vips` has the same machines once for each of them.
    """

    name: str
    nodes: tuple[Node, ...]
    place: int = 0

    @property
    def preferred(self) -> Node:
        """The node that holds the VIP while all are well."""
        return self.nodes[0]

    @property
    def vip(self) -> Interface:
        return self.nodes[0].vip

    @property
    def vip6(self) -> IPv6Interface | None:
        """The IPv6 address that moves together with the VIP."""
        return self.nodes[0].vip6

    @property
    def addresses(self) -> tuple[Interface, ...]:
        """Every address that moves: the VIPs, and what moves together with one."""
        return tuple(vip for view in self.vips for vip in (view.vip, view.vip6) if vip)

    @property
    def family(self) -> str:
        """The VIP's family, as nftables calls it."""
        return "ip" if self.vip.version == 4 else "ip6"

    @property
    def instance(self) -> str:
        """What keepalived calls this VIP's election."""
        return f"VI_{self.place + 1}"

    @cached_property
    def vips(self) -> tuple[Cluster, ...]:
        """This cluster as each of its VIPs sees it: the nodes with that VIP and its virtual
        router's number, whoever is to hold it first and the others in their order."""
        if self.place:
            return (self,)
        return (
            self,
            *(
                self._view_for(place, vip, holder)
                for place, (vip, holder) in enumerate(self.preferred.more_vips, start=1)
            ),
        )

    def _view_for(self, place: int, vip: Interface, holder: str) -> Cluster:
        priorities = [node.priority for node in self.nodes]
        order = sorted(self.nodes, key=lambda node: node.name != holder)
        seen = [
            node.model_copy(
                update={
                    "vip": vip,
                    "vip6": None,
                    "label": f"{node.interface}:{place}",
                    "virtual_router_id": node.virtual_router_id + place,
                    "priority": priority,
                }
            )
            for node, priority in zip(order, priorities, strict=True)
        ]
        return Cluster(name=f"{self.name} {vip.ip}", nodes=tuple(seen), place=place)

    def view_of(self, node: Node) -> Node:
        """`node` as this cluster has it: with this VIP's own settings."""
        return next(each for each in self.nodes if each.name == node.name)

    def priority(self, node: Node) -> int:
        """What keepalived is given: by default the node's place in line, in VRRP's own range."""
        node = self.view_of(node)
        if node.classic:
            return node.priority
        return election.priority(self.nodes.index(node), len(self.nodes))

    @property
    def weights(self) -> election.Weights:
        """What the default profile takes off a drained node, and off one that is a last resort."""
        return election.weights(len(self.nodes))

    def peers(self, node: Node) -> tuple[Node, ...]:
        return tuple(other for other in self.nodes if other.name != node.name)
