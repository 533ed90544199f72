"""What the verifier would be told by a routed pair, of which BIRD, mesh and kernel are there alone.

What is about those, addresses and the network is what the probes print in the pair's namespaces.
What is about nginx, services, disks and clocks is what machines have said (healthy-routed.json).
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from settings import Cluster, Node
from tests.support.lab.routed.bare_pair import ASK, BarePair
from tests.support.snapshots import ROUTED
from verify.observe.bundle import Bundle, RoundTrip
from verify.observe.probes import all_probes
from verify.observe.routing import asked_routers
from verify.read.machine_view import MachineView
from verify.read.routing.mesh_output import Mesh
from verify.snapshot import Snapshot

# What namespaces tell as machines would; and all whose names begin so.
BARE = (
    *("addresses", "handover_sysctls", "promote_secondaries", "handover_table", "handover_table6"),
    *("routes", "neighbours", "heard", "watch_says", "keepalived_down", "bird_", "mesh"),
)


def cluster(**settings: object) -> Cluster:
    """The machines of the sample, with other settings."""
    found = Snapshot.model_validate(ROUTED).clusters[0]
    nodes = (Node.model_validate({**vars(node), **settings}) for node in found.nodes)
    return Cluster(name=found.name, nodes=tuple(nodes))


def with_views(cluster: Cluster, directory: Path) -> Cluster:
    """The same, whose routers can be asked by the script of a `BarePair`."""
    nodes = []
    for node in cluster.nodes:
        routers = [
            router.model_dump()
            | {"view_command": ("sh", str(directory / ASK), f"router{number}", "{vip}")}
            for version in (4, 6)
            for number, router in enumerate(node.routers_of(version), 1)
        ]
        nodes.append(Node.model_validate({**vars(node), "routers": routers}))
    return Cluster(name=cluster.name, nodes=tuple(nodes))


def gathered(pair: BarePair) -> Snapshot:
    """The answers of a pair as it is now."""
    data: dict[str, Any] = json.loads(json.dumps(ROUTED))
    data["clusters"] = [json.loads(pair.cluster.model_dump_json())]
    for node in pair.cluster.nodes:
        for peer in pair.cluster.peers(node):  # as the requests of a whole round do
            pair.at(node.name, "ping", "-c", "1", "-W", "1", peer.address, check=False)
    with ThreadPoolExecutor() as machines:
        answers = machines.map(lambda node: _answered(pair, node), pair.cluster.nodes)
    for node, answered in zip(pair.cluster.nodes, answers, strict=True):
        data["looks"][node.name]["sections"] |= answered
    views = asked_routers.ask(pair.cluster)
    data["router_views"] = {pair.cluster.name: [view.model_dump() for view in views]}
    return Snapshot.model_validate(data)


def _answered(pair: BarePair, node: Node) -> dict[str, Any]:
    """What the probes print there that ask about what is there."""
    bundles = (
        Bundle(
            *(probe for probe in bundle.probes if probe.name.startswith(BARE)),
            timeout_s=bundle.timeout_s,
            first=bundle.first,
        )
        for bundle in all_probes(node, pair.cluster).bundles
    )
    asked = RoundTrip(*(bundle for bundle in bundles if bundle.probes))
    found = asked.read(pair.printed(node.name, asked.script))
    return {name: output.model_dump() for name, output in found.items()}


def mesh(pair: BarePair, host: str) -> Mesh:
    """The mesh's interface, as a node of the pair has it now."""
    found = MachineView(gathered(pair).hosts[host]).mesh
    assert found
    return found
