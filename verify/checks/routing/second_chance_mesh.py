"""RT: would a connection go on whose segments come to another node than before?"""

from __future__ import annotations

from collections.abc import Iterator

from settings import Cluster
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
from verify.read.machine_view import CannotTell, MachineView
from verify.read.routing.mesh_output import Mesh, SecondChance
from verify.read.routing.routed_answers import AnnouncedAs


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
    link = here.machine.interfaces.get(here.node.interface)
    for name, value, right in (
        ("kind", found.kind, "vxlan"),
        ("VNI", found.vni, mesh_addresses.VNI),
        ("port", found.port, mesh_addresses.UDP_PORT),
        ("local address", found.local, str(here.node.address)),
        ("MTU", found.mtu, link.mtu if link else None),
    ):
        if right is not None and value != right:
            yield f"its {name} is {value or '(none)'}, not {right}"
    if not found.is_up:
        yield "it is down"
    if found.learns:
        yield "it learns from what arrives"
    own = here.machine.interfaces.get(mesh_addresses.DEVICE)
    there = {each.ip.version for each in own.addresses if each.ip.is_link_local} if own else set()
    for version in _versions(here.cluster):
        if version not in there:
            yield f"it has no link-local address of IPv{version}"


def _way_faults(here: Here, found: Mesh) -> Iterator[str]:
    """Who is behind it. What a node calls the others in the mesh is its own business."""
    peers = here.cluster.peers(here.node)
    for peer in peers:
        macs = found.behind(str(peer.address))
        if len(macs) != 1:
            yield f"{peer.name} ({peer.address}) is behind {', '.join(macs) or 'no card'}"
            continue
        called = found.called(macs[0])
        for version in _versions(here.cluster):
            if version not in called:
                yield f"{peer.name} has no address of IPv{version}"
    known = {str(peer.address) for peer in peers}
    for mac, address in found.forwards.items():
        if address not in known:
            yield f"{mac} ({address}) is nobody of ours"


def _versions(cluster: Cluster) -> list[int]:
    return sorted({vip.version for vip in cluster.addresses})


@on_host(
    "RT-15",
    "nftables gives strays to the node that knows them",
    reads=("handover_table", "handover_table6", "mesh"),
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
    mesh = here.machine.mesh
    if mesh is None:
        raise CannotTell("there is no mesh (RT-14)", "RT-14")
    faults: list[str] = []
    for probe, vip in probes.items():
        table = here.machine.second_chance(probe)
        faults += _table_faults(mesh, table, vip) if table else [f"no table for {vip.ip}"]
    return faultless(
        faults, expected="strays of the VIP are asked of all other nodes", found="loaded"
    )


def _table_faults(mesh: Mesh, table: SecondChance, vip: Interface) -> Iterator[str]:
    """Beside who is behind the mesh (RT-14)."""
    if table.addresses != {str(vip.ip)}:
        yield f"the table is for {', '.join(sorted(table.addresses)) or 'nothing'}, not {vip.ip}"
    if not table.asks_sockets:
        yield f"{vip.ip}: no rule looks for the connection's socket"
    if not table.before_filters:
        yield f"{vip.ip}: its priority is not raw, so that other rules come first"
    called = {its for mac in mesh.forwards if (its := mesh.called(mac).get(vip.version))}
    for what, found, wanted in (
        ("are given to", table.gives_to, called),
        ("leave by", table.devices, {mesh_addresses.DEVICE}),
        ("come from", table.hears, set(mesh.forwards)),
    ):
        if found != wanted:
            yield f"{vip.ip}: strays {what} {', '.join(sorted(found)) or 'nobody'}"


@in_cluster(
    "RT-16",
    "every node hears all others in the mesh",
    reads=("mesh_heard", "bird_protocols", "mesh"),
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
    serving = across.by_machine(lambda machine: _says_it_serves(across, machine))
    faults = list(_misknown(across))
    for name, sets in found.items():
        for other in (each for each in across.machines if each != name):
            kinds = ["alive"]
            if serving.get(other) and serving.get(name):
                kinds.append("serves")
            for family in families(across.cluster):
                for kind in kinds:
                    state = sets.get((family, f"{kind}_{where[other]}"), "absent")
                    if state != "there":
                        faults.append(f"{name} does not hear that {other} {_SAID[kind]} ({family})")
    return faultless(faults, expected="each hears all others", found=f"{len(found)} nodes")


def _says_it_serves(across: Across, machine: MachineView) -> bool:
    """Whether it is announced as one that serves, and a router hears that."""
    told = machine.tells(across.node(machine.name), lambda router: True)
    return told and machine.announced(across.cluster) is AnnouncedAs.SERVES


def _misknown(across: Across) -> Iterator[str]:
    """Whom others know by another card than it has: what it says is nobody's for them."""
    meshes = across.by_machine(lambda machine: machine.mesh)
    for name, mesh in meshes.items():
        for other in (each for each in meshes if each != name):
            behind = mesh.behind(str(across.node(other).address)) if mesh else []
            theirs = meshes[other]
            if behind and theirs and theirs.mac not in behind:
                yield f"{name} takes {behind[0]} for {other}, which has {theirs.mac}"


_SAID = {"alive": "is there", "serves": "serves"}
