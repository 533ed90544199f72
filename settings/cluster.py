"""Machines that share one VIP or several: their order, and what differs for each VIP."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv6Interface, ip_interface
from typing import NamedTuple

from settings.election import Election, Weights
from settings.network.network_settings import NodeInterface
from settings.node import Node
from settings.programs.own_checks import OwnCheck
from settings.values import Interface, Values

# Linux's, in characters; an interface's name may be as long.
LONGEST_LABEL = 15
# notify.sh writes it; with .VIP behind it for each of more_vips.
HOLDER_FILE = "/run/tandem/holder"
STATE_FILE = "/run/keepalived/state"


class HolderFile(NamedTuple):
    """keepalived's name for it, and its path."""

    name: str
    path: str


class Cluster(Values):
    """Machines that share a VIP, the highest priority first.

    In a routed cluster all of them have it at once; their order is that in which they are changed.
    Where they share several, `vips` has one such cluster for each VIP: the same machines, in that
    VIP's order and with its settings. `place`: which of the cluster's VIPs this is, from 0.
    `lines`: the order of the nodes' names for a VIP, where it is another one than the settings'.
    """

    name: str
    nodes: tuple[Node, ...]
    place: int = 0
    lines: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def preferred(self) -> Node:
        """The node that holds the VIP while all are well."""
        return self.nodes[0]

    @property
    def vip(self) -> Interface:
        """The VIP with its prefix."""
        return self.nodes[0].vip

    @property
    def vip6(self) -> IPv6Interface | None:
        """The IPv6 address that moves together with the VIP."""
        return self.nodes[0].vip6

    @property
    def routed(self) -> bool:
        """Whether all its nodes have the VIP, and announce it to routers."""
        return self.preferred.routed

    @property
    def addresses(self) -> tuple[Interface, ...]:
        """Every address that moves: the VIPs, and the IPv6 address that moves with one."""
        return tuple(vip for view in self.vips for vip in (view.vip, view.vip6) if vip)

    def as_held(self, vip: Interface) -> Interface:
        """One of `addresses` as its holder's kernel has it.

        In the default profile it is a single address. Linux counts addresses of one interface that
        have a network in common as a group: the first is the source of what leaves, and where it
        goes the others go with it. A single address is in no group of the machine's own.
        """
        return vip if self.preferred.classic else ip_interface(f"{vip.ip}/{vip.max_prefixlen}")

    def label(self, node: Node) -> str:
        """The VIP's label in the output of `ip addr` on that node; "" where it has none.

        Where none is given it is the interface's name and a number, if both fit into a label. (What
        is given is the first VIP's; "" holds for all. An address on `lo` has none.)
        """
        if self.routed:
            return ""
        if node.label == "" or (node.label and not self.place):
            return node.label
        label = f"{self.view_of(node).interface}:{self.place}"
        return label if len(label) <= LONGEST_LABEL else ""

    def carried(self, node: Node) -> tuple[tuple[str, Interface], ...]:
        """Every address that moves, after the name of that node's interface for it: of a routed
        cluster `lo`, on every node."""
        return tuple(
            ("lo" if self.routed else view.view_of(node).interface, vip)
            for view in self.vips
            for vip in (view.vip, view.vip6)
            if vip
        )

    def speaks_from(self, node: Node) -> frozenset[str]:
        """The addresses that a node advertises from, for all its VIPs."""
        return frozenset(str(view.view_of(node).speaks_from) for view in self.vips)

    def beside_own(
        self, node: Node, interface: NodeInterface | None = None
    ) -> tuple[Interface, ...]:
        """The VIPs of an interface, or of `interface`, whose network is that of the node's own IPv4
        address there, too."""
        name, address, _ = interface or node.interfaces[0]
        return tuple(vip for on, vip in self.carried(node) if on == name and address in vip.network)

    @property
    def held(self) -> Interface:
        """The VIP as its holder's kernel has it."""
        return self.as_held(self.vip)

    @property
    def scope(self) -> str:
        """The scope of an IPv4 VIP. What has the host's is never chosen as a source."""
        return "global" if self.preferred.classic else "host"

    @property
    def family(self) -> str:
        """The VIP's address family, as nftables names it: "ip" or "ip6"."""
        return "ip" if self.vip.version == 4 else "ip6"

    @property
    def instance(self) -> str:
        """The name of this VIP's vrrp_instance in keepalived's configuration."""
        return f"VI_{self.place + 1}"

    @cached_property
    def vips(self) -> tuple[Cluster, ...]:
        """A cluster for each VIP: its preferred holder first, the others in their usual order.

        Its nodes have that VIP, and its virtual router's number and priorities.
        """
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
        line = dict(self.lines).get(str(vip.ip), (holder,))
        place_of = {name: number for number, name in enumerate(line)}
        order = sorted(self.nodes, key=lambda node: place_of.get(node.name, len(line)))
        nodes = [
            node.model_copy(
                update={
                    "vip": vip,
                    "vip6": None,
                    "virtual_router_id": node.virtual_router_id + place,
                    "priority": priority,
                    **_carrying(node, vip),
                }
            )
            for node, priority in zip(order, priorities, strict=True)
        ]
        return Cluster(name=f"{self.name} {vip.ip}", nodes=tuple(nodes), place=place)

    def ranked(self, ranks: Mapping[str, Mapping[str, int]]) -> Cluster:
        """These machines in another order than the settings': that of what they run.

        + ranks: the VRRP priority of each VIP on a node, by the node's name and the VIP's address.
        A node without any comes last; a VIP of which no node has one keeps its order.
        """
        lines = []
        for vrrp in self.vips:
            vip = str(vrrp.vip.ip)
            known = {name: its[vip] for name, its in ranks.items() if vip in its}
            order = sorted(vrrp.nodes, key=lambda node: -known.get(node.name, 0))
            lines.append((vip, tuple(node.name for node in order)))
        line = dict(lines)[str(self.vip.ip)]
        nodes = sorted(self.nodes, key=lambda node: line.index(node.name))
        own = {name: its.get(str(self.vip.ip)) for name, its in ranks.items()}
        there = [
            node.model_copy(update={"priority": own.get(node.name) or node.priority})
            for node in nodes
        ]
        # (A copy would have `vips` as they were.)
        return Cluster(name=self.name, nodes=tuple(there), place=self.place, lines=tuple(lines))

    def view_of(self, node: Node) -> Node:
        """`node` with this VIP's settings; Cluster.vips says which those are."""
        return next(each for each in self.nodes if each.name == node.name)

    def priority(self, node: Node) -> int:
        """The VRRP priority in keepalived's configuration.

        The classic profile has the one that was set, the default one that of the node's position.
        """
        node = self.view_of(node)
        if node.classic:
            return node.priority
        return self.election.priority(self.nodes.index(node))

    @property
    def election(self) -> Election:
        """How the default profile elects a holder."""
        checks = sum(check.weight for check in self.preferred.checks)
        return Election(len(self.nodes), checks, stays=self.stays)

    @property
    def stays(self) -> bool:
        """Whether a VIP stays where it is until that node fails, or is drained."""
        return not self.preferred.preempt

    @property
    def weights(self) -> Weights:
        """What the default profile takes off a drained node, and off one whose nginx is dead."""
        return self.election.weights

    @property
    def holder_file(self) -> HolderFile:
        """Where a node has 1 while it holds this VIP, if VIPs stay."""
        suffix = f".{self.vip.ip}" if self.place else ""
        return HolderFile(f"holder_{self.place + 1}", f"{HOLDER_FILE}{suffix}")

    @property
    def state_file(self) -> str:
        """Where a node remembers the state that keepalived has told of this VIP last."""
        return f"{STATE_FILE}{f'.{self.vip.ip}' if self.place else ''}"

    def check_weight(self, check: OwnCheck) -> int:
        """The weight of an own check in keepalived's configuration; 0: it leaves the election."""
        if not self.preferred.classic:
            return self.election.check_weight(check.weight)
        priorities = [node.priority for node in self.nodes]
        return -check.weight * (max(priorities) - min(priorities) + 1)

    @cached_property
    def networks(self) -> tuple[dict[str, NodeInterface], ...]:
        """Each network that a VIP or VRRP is in, that of `interface` first: the interface of every
        node there, by its name."""
        found = [{node.name: node.interfaces[0] for node in self.nodes}]
        for vrrp in self.vips:
            found.append({node.name: node.interfaces[0] for node in vrrp.nodes})
            found.append({node.name: node.vrrp for node in vrrp.nodes})
        return tuple(each for place, each in enumerate(found) if each not in found[:place])

    def peers(self, node: Node) -> tuple[Node, ...]:
        """The other nodes."""
        return tuple(other for other in self.nodes if other.name != node.name)


def carrier(node: Node, vip: Interface) -> NodeInterface:
    """The interface of `node` that has that VIP: the first with an own address in its network;
    `interface` if there is none."""
    first = node.interfaces[0]
    own = ((interface, interface.own(vip.version)) for interface in node.interfaces)
    return next((each for each, address in own if address and address in vip.network), first)


def _carrying(node: Node, vip: Interface) -> dict[str, object]:
    """The settings of `node` as that VIP has them: its own interface is the first."""
    mine = carrier(node, vip)
    others = tuple(
        (name, tuple(filter(None, addresses)))
        for name, *addresses in node.interfaces
        if name != mine.name
    )
    return {
        "interface": mine.name,
        "address": mine.address,
        "address6": mine.address6,
        "more_interfaces": others,
    }
