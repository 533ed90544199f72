"""Opens firewalld, where it runs, for clients and for what the cluster's machines send each other.

Without it (nftables by hand, ufw) nothing is opened: rules are their owner's.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

from pyinfra import host
from pyinfra.api import FactBase

from controller import run_changes
from controller.batched_facts import LinesFact, change, parallel, rolling
from settings import Cluster, Node
from settings.network import mesh_addresses
from tasks.machine import install_record

# RFC 4271; RFC 5881 and RFC 5883.
BGP_PORT, BFD_PORT, BFD_MULTIHOP_PORT = 179, 3784, 4784
# What firewalld does now, and what it will do after its next start.
_BOTH = ("", "--permanent ")


class Zone(NamedTuple):
    """The zone of an interface, "" where firewalld does not run: what it lets in now, and what it
    will let in after its next start, as "port=80/tcp" and the like."""

    name: str = ""
    now: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()


class ZoneFact(FactBase[Zone]):
    """The `Zone` of an interface, in one round trip."""

    default = Zone

    def command(self, interface: str) -> str:
        listing = "".join(
            f"firewall-cmd {permanent}--zone=$zone --list-{kind} | sed 's/^/{when}={prefix}=/'; "
            for when, permanent in (("now", ""), ("later", "--permanent "))
            for kind, prefix in (("ports", "ports"), ("rich-rules", "rich-rule"))
        )
        return (
            "if firewall-cmd --state >/dev/null 2>&1; then "
            f"zone=$(firewall-cmd --get-zone-of-interface={interface} 2>/dev/null || "
            f"firewall-cmd --get-default-zone); echo zone=$zone; {listing}fi; true"
        )

    def process(self, output: list[str]) -> Zone:
        name, entries = "", {"now": set[str](), "later": set[str]()}
        for line in output:
            key, _, value = line.strip().partition("=")
            if key == "zone":
                name = value
            elif key in entries and value.startswith("ports="):
                entries[key] |= {f"port={port}" for port in value.removeprefix("ports=").split()}
            elif key in entries:
                entries[key].add(value)
        return Zone(name, frozenset(entries["now"]), frozenset(entries["later"]))


class Opening(NamedTuple):
    """What has to be let in on an interface, as firewalld itself writes it."""

    interface: str
    entries: tuple[str, ...]


def openings(node: Node, cluster: Cluster) -> tuple[Opening, ...]:
    """What has to be let in on each interface."""
    beats = {vrrp.place: port for vrrp, port in zip(cluster.vips, node.beat_ports, strict=False)}
    found: dict[str, Iterable[str]] = {
        interface.name: _of_routed(node, cluster, interface.name)
        if node.routed
        else _entries(node, cluster, interface.name, beats)
        for interface in node.interfaces
    }
    if node.routed and node.handover:
        # What another node gives comes out of it a second time, in its client's name: whatever
        # its zone is, it has to let in what the first one has. (ICMP's errors are about
        # connections that the kernel knows here, which firewalld lets in everywhere.)
        found[mesh_addresses.DEVICE] = (
            *_web(node),
            f"port={mesh_addresses.SERVES_PORT}/udp",  # to tandem-watch, from the other nodes
        )
    return tuple(Opening(name, tuple(dict.fromkeys(its))) for name, its in found.items())


def _web(node: Node) -> Iterator[str]:
    """What clients ask for."""
    yield f"port={node.http_port}/tcp"
    if node.tls:
        yield f"port={node.https_port}/tcp"
    if node.speaks_http3:
        yield f"port={node.https_port}/udp"
    for stream in node.streams:
        yield f"port={stream.listen}/{stream.protocol}"


def _from(address: IPv4Address | IPv6Address) -> str:
    """How a rule about an address begins."""
    return f'rich-rule=rule family="ipv{address.version}" source address="{address}" '


def _of_routed(node: Node, cluster: Cluster, interface: str) -> Iterator[str]:
    """What comes from clients by the routers, from routers, and from the other nodes: routes say by
    which of a machine's interfaces, and may change."""
    yield from _web(node)
    if node.handover:
        for peer in cluster.peers(node):
            port = mesh_addresses.UDP_PORT
            yield f'{_from(peer.address)}port port="{port}" protocol="udp" accept'
    for router in node.routers:
        yield f'{_from(router.address)}port port="{BGP_PORT}" protocol="tcp" accept'
        if router.bfd:
            port = BFD_PORT if router.hops == 1 else BFD_MULTIHOP_PORT
            yield f'{_from(router.address)}port port="{port}" protocol="udp" accept'
    yield from _of_metrics(node, interface)


def _entries(
    node: Node, cluster: Cluster, interface: str, beats: Mapping[int, int]
) -> Iterator[str]:
    held = [vrrp for vrrp in cluster.vips if vrrp.view_of(node).interface == interface]
    spoken = [vrrp for vrrp in cluster.vips if vrrp.view_of(node).vrrp.name == interface]
    if held:
        yield from _web(node)
    families = {vrrp.vip.version for vrrp in spoken}
    ports = [beats[vrrp.place] for vrrp in held if vrrp.place in beats]
    for peer in cluster.peers(node):
        there = [vrrp.view_of(peer).interfaces[0] for vrrp in held]
        there += [vrrp.view_of(peer).vrrp for vrrp in spoken]
        every: list[Any] = [each.own(version) for each in there for version in (4, 6)]
        for address in dict.fromkeys(filter(None, every)):
            if address.version in families:
                yield f'{_from(address)}protocol value="vrrp" accept'
            for port in ports:
                yield f'{_from(address)}port port="{port}" protocol="udp" accept'
    yield from _of_metrics(node, interface)


def _of_metrics(node: Node, interface: str) -> Iterator[str]:
    for network in node.metrics_allow if node.metrics and interface == node.interface else ():
        from_there = f'rich-rule=rule family="ipv{network.version}" source address="{network}" '
        for port in (node.metrics_nginx_port, node.metrics_port):
            yield f'{from_there}port port="{port}" protocol="tcp" accept'


class SixFilterFact(FactBase[bool]):
    """Whether firewalld runs, and drops what comes in by another interface than its answer would
    leave by: of IPv6 alone (`IPv6_rpfilter`, and by default). The values with "-forward" are about
    what a machine passes on."""

    default = bool

    def command(self) -> str:
        return (
            "if firewall-cmd --state >/dev/null 2>&1; then echo runs; "
            "sed -n 's/^ *IPv6_rpfilter *= */filter=/p' /etc/firewalld/firewalld.conf; fi; true"
        )

    def process(self, output: list[str]) -> bool:
        said = [line.strip().lower() for line in output]
        found = [line.removeprefix("filter=") for line in said if line.startswith("filter=")]
        return "runs" in said and (found or ["yes"])[-1] in ("yes", "true", "strict")


@change("it has been asked", counts=False)
def tell_of_filter() -> Iterator[str]:
    """Say that connections over IPv6 would hang that live on another node, and what to do."""
    if parallel.get(SixFilterFact) and not run_changes.is_planning():
        host.log(
            "firewalld drops what another node gives of IPv6 (IPv6_rpfilter in "
            "/etc/firewalld/firewalld.conf): connections would hang when a machine comes or goes. "
            "Set IPv6_rpfilter=loose there (before firewalld 2.0: no), and restart firewalld"
        )
    yield from ()


def open_ports(needed: tuple[Opening, ...], cluster: Cluster) -> None:
    """Open what the cluster needs, on machines where firewalld runs."""
    for opening in needed:
        parallel.request(ZoneFact, interface=opening.interface)
    parallel.request(OpenedEntries)
    if any(opening.interface == mesh_addresses.DEVICE for opening in needed) and any(
        vip.version == 6 for vip in cluster.addresses
    ):
        parallel.request(SixFilterFact)
        tell_of_filter(name="firewalld: whether it drops what the mesh brings of IPv6")
    open_in_zones(name="firewalld: the page, and the other machines' VRRP", needed=needed)


def close_unwanted(needed: tuple[Opening, ...]) -> None:
    """Close what earlier deploys have opened and nothing needs any more: another port, a machine
    that was replaced. To be called when all runs what is installed."""
    close_all_but(name="firewalld: what nothing needs any more", needed=needed)


@change("firewalld does not run, or lets all of it in")
def open_in_zones(needed: tuple[Opening, ...]) -> Iterator[str]:
    """Let all that is needed into the zone of its interface, now and after firewalld's next
    start."""
    done: set[str] = set()
    for opening in needed:
        found = parallel.get(ZoneFact, interface=opening.interface)
        missing = [
            (f"{permanent}--zone={found.name}", entry)
            for permanent, there in zip(_BOTH, (found.now, found.later), strict=True)
            for entry in opening.entries
            if found.name and entry not in there
        ]
        for options, entry in missing:
            line = f"{options} {entry}"
            if line not in done:  # two interfaces may be in one zone
                yield install_record.note(install_record.FIREWALLD, line)
                yield f"firewall-cmd {options} {shlex.quote(f'--add-{entry}')}"
            done.add(line)


@change("firewalld does not run, or nothing was opened that is not needed")
def close_all_but(needed: tuple[Opening, ...]) -> Iterator[str]:
    """Close what deploys have opened, but for what is needed in each interface's zone."""
    zones = {name: parallel.get(ZoneFact, interface=name).name for name, _ in needed}
    wanted = {
        f"{options}--zone={zones[name]} {entry}"
        for name, entries in needed
        for entry in entries
        for options in _BOTH
    }
    for line in parallel.get(OpenedEntries):
        if all(zones.values()) and line and line not in wanted:
            yield _closing(line)
            yield install_record.forget(install_record.FIREWALLD, line)


# --- taking it away ------------------------------------------------------------------------------


class OpenedEntries(LinesFact):
    """What deploys have opened: "[--permanent ]--zone=ZONE ENTRY" each."""

    def command(self) -> str:
        return f"cat {install_record.FIREWALLD} 2>/dev/null || true"


@change("nothing was opened")
def close_opened() -> Iterator[str]:
    """Close what deploys have opened; what was open before stays so."""
    found = [line for line in rolling.get(OpenedEntries) if line]
    for line in found:
        yield _closing(line)
    if found:
        yield f"rm -f {install_record.FIREWALLD}"


def _closing(line: str) -> str:
    """Shell that closes what a line of the record names."""
    options, _, entry = line.rpartition("--zone=")
    zone_name, _, what = entry.partition(" ")
    words = f"--zone={zone_name} {shlex.quote(f'--remove-{what}')}"
    # Where it does not run any more, what it will let in after its next start is in its files.
    offline = f"firewall-offline-cmd {words}" if options else "true"
    return (
        f"if firewall-cmd --state >/dev/null 2>&1; then firewall-cmd {options}{words}; "
        f"elif command -v firewall-offline-cmd >/dev/null; then {offline}; fi"
    )
