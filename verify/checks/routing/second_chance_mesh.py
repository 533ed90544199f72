"""RT: would a connection go on whose segments come to another node than before?"""

from __future__ import annotations

from collections.abc import Iterator

from settings import Cluster, Node
from settings.network import mesh_addresses
from settings.values import Interface
from verify.checks.check import Across, Answer, Here, fails, faultless, in_cluster, on_host
from verify.checks.premises import (
    announces_vip,
    has_handover,
    has_mesh,
    mesh_in_cluster,
    two_reached,
)
from verify.observe.routing.mesh_probes import families, places
from verify.read.routing.mesh_output import Mesh, SecondChance
from verify.read.routing.routed_answers import AnnouncedAs


def _peers(node: Node, cluster: Cluster) -> dict[int, Node]:
    """The other nodes by their places in the mesh."""
    where = places(cluster)
    return {where[peer.name]: peer for peer in cluster.peers(node)}


@on_host(
    "RT-14",
    "the mesh between the nodes is as it should be",
    reads=("mesh", "addresses"),
    needs=(announces_vip, has_mesh),
    settles=True,
    reason="Through it nodes give each other what routers have sent to the wrong one. Without it "
    "each node that comes or goes cuts connections.",
    remedy="systemctl restart tandem-handover makes the interface anew; journalctl -u "
    "tandem-handover says why it cannot.",
)
def mesh(here: Here) -> Answer:
    found = here.machine.mesh
    expected = f"{mesh_addresses.DEVICE}, VXLAN {mesh_addresses.VNI} to every other node"
    if found is None:
        return fails(expected=expected, actual=f"there is no interface {mesh_addresses.DEVICE}")
    faults = [*_device_faults(here, found), *_way_faults(here, found)]
    return faultless(
        faults, expected=expected, found=f"{len(found.forwards)} nodes, MTU {found.mtu}"
    )


def _device_faults(here: Here, found: Mesh) -> Iterator[str]:
    place = places(here.cluster)[here.node.name]
    link = here.machine.interfaces.get(here.node.interface)
    for name, value, right in (
        ("kind", found.kind, "vxlan"),
        ("VNI", found.vni, mesh_addresses.VNI),
        ("port", found.port, mesh_addresses.UDP_PORT),
        ("local address", found.local, str(here.node.address)),
        ("MAC", found.mac, mesh_addresses.mac(place)),
        ("MTU", found.mtu, link.mtu if link else None),
    ):
        if right is not None and value != right:
            yield f"its {name} is {value or '(none)'}, not {right}"
    if not found.is_up:
        yield "it is down"
    if found.learns:
        yield "it learns from what arrives"
    own = here.machine.interfaces.get(mesh_addresses.DEVICE)
    there = {str(address.ip) for address in own.addresses} if own else set()
    for version in _versions(here.cluster):
        if (address := mesh_addresses.address(place, version)) not in there:
            yield f"it has no {address}"


def _way_faults(here: Here, found: Mesh) -> Iterator[str]:
    """Who is behind it."""
    peers = _peers(here.node, here.cluster)
    wanted = {mesh_addresses.mac(place): str(peer.address) for place, peer in peers.items()}
    names = {mesh_addresses.mac(place): peer.name for place, peer in peers.items()}
    for mac, address in wanted.items():
        if found.forwards.get(mac) != address:
            yield f"{names[mac]} is behind {found.forwards.get(mac, 'no address')}, not {address}"
    yield from (f"{mac} is nobody of ours" for mac in sorted(found.forwards.keys() - wanted))
    for place, peer in peers.items():
        for version in _versions(here.cluster):
            address = mesh_addresses.address(place, version)
            if found.neighbours.get(address) != mesh_addresses.mac(place):
                yield f"{address} ({peer.name}) has no MAC"


def _versions(cluster: Cluster) -> list[int]:
    return sorted({vip.version for vip in cluster.addresses})


@on_host(
    "RT-15",
    "nftables gives strays to the node that knows them",
    reads=("handover_table", "handover_table6"),
    needs=(announces_vip, has_handover),
    settles=True,
    reason="Without these tables a node resets the connections whose segments a router has begun "
    "to send to it.",
    remedy="systemctl restart tandem-handover loads them. journalctl -u tandem-handover shows "
    "whether something keeps flushing them.",
)
def tables(here: Here) -> Answer:
    vips = [vip for vip in (here.cluster.vip, here.cluster.vip6) if vip]
    probes = dict(zip(("handover_table", "handover_table6"), vips, strict=False))
    if not here.node.handover:
        there = [probe for probe in probes if here.machine.second_chance(probe)]
        return faultless(there, expected="switched off: no table", found="none, switched off")
    faults: list[str] = []
    for probe, vip in probes.items():
        table = here.machine.second_chance(probe)
        faults += _table_faults(here, table, vip) if table else [f"no table for {vip.ip}"]
    return faultless(
        faults, expected="strays of the VIP are asked of all other nodes", found="loaded"
    )


def _table_faults(here: Here, table: SecondChance, vip: Interface) -> Iterator[str]:
    peers = _peers(here.node, here.cluster)
    if table.addresses != {str(vip.ip)}:
        yield f"the table is for {', '.join(sorted(table.addresses)) or 'nothing'}, not {vip.ip}"
    if not table.asks_sockets:
        yield f"{vip.ip}: no rule looks for the connection's socket"
    if not table.before_filters:
        yield f"{vip.ip}: its priority is not raw, so that other rules come first"
    for what, found, wanted in (
        ("are given to", table.gives_to, {mesh_addresses.address(p, vip.version) for p in peers}),
        ("leave by", table.devices, {mesh_addresses.DEVICE}),
        ("come from", table.hears, {mesh_addresses.mac(place) for place in peers}),
    ):
        if found != wanted:
            yield f"{vip.ip}: strays {what} {', '.join(sorted(found)) or 'nobody'}"


@in_cluster(
    "RT-16",
    "every node hears all others in the mesh",
    reads=("mesh_heard", "bird_protocols"),
    needs=(mesh_in_cluster, two_reached),
    settles=True,
    reason="Who is not heard is not asked: connections that are its are reset by the node that "
    "gets their segments.",
    remedy="Does tandem-handover run on both (HO-01)? Do the firewall and the network between them "
    "let UDP 7113 through?",
)
def heard(across: Across) -> Answer:
    where = places(across.cluster)
    found = across.by_machine(lambda machine: machine.mesh_heard)
    serving = across.by_machine(lambda machine: machine.announced(across.cluster))
    faults = []
    for name, sets in found.items():
        for other in (each for each in across.machines if each != name):
            kinds = ["alive"]
            if serving.get(other) is AnnouncedAs.SERVES and serving.get(name) is AnnouncedAs.SERVES:
                kinds.append("serves")
            for family in families(across.cluster):
                for kind in kinds:
                    state = sets.get((family, f"{kind}_{where[other]}"), "absent")
                    if state != "there":
                        faults.append(f"{name} does not hear that {other} {_SAID[kind]} ({family})")
    return faultless(faults, expected="each hears all others", found=f"{len(found)} nodes")


_SAID = {"alive": "is there", "serves": "serves"}
