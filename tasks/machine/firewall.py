"""Opens firewalld, where it runs, for clients and for what the cluster's machines send each other.

Without it (nftables by hand, ufw) nothing is opened: rules are their owner's.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pyinfra.api import FactBase

from controller.batched_facts import LinesFact, change, parallel, rolling
from settings import Cluster, Node
from tasks.machine import install_record

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


def entries_for(node: Node, cluster: Cluster, handover_ports: Iterable[int]) -> tuple[str, ...]:
    """What has to be let in, as firewalld itself writes it.

    + handover_ports: UDP ports on which the other machines announce that they hold a VIP.
    """
    entries = [f"port={node.http_port}/tcp"]
    if node.tls:
        entries.append(f"port={node.https_port}/tcp")
    spoken = {f"ipv{vrrp.vip.version}" for vrrp in cluster.vips}
    for peer in cluster.peers(node):
        for family, address in (("ipv4", peer.address), ("ipv6", peer.address6)):
            if address is None:
                continue
            speaks = f'rich-rule=rule family="{family}" source address="{address}" '
            if family in spoken:
                entries.append(f'{speaks}protocol value="vrrp" accept')
            entries += [
                f'{speaks}port port="{port}" protocol="udp" accept' for port in handover_ports
            ]
    for network in node.metrics_allow if node.metrics else ():
        from_there = f'rich-rule=rule family="ipv{network.version}" source address="{network}" '
        entries += [
            f'{from_there}port port="{port}" protocol="tcp" accept'
            for port in (node.metrics_nginx_port, node.metrics_port)
        ]
    return tuple(dict.fromkeys(entries))


def open_ports(node: Node, entries: tuple[str, ...]) -> None:
    """Open what the cluster needs, on machines where firewalld runs."""
    parallel.request(ZoneFact, interface=node.interface)
    parallel.request(OpenedEntries)
    open_in_zone(
        name="firewalld: the page, and the other machines' VRRP",
        interface=node.interface,
        entries=entries,
    )


def close_unwanted(node: Node, entries: tuple[str, ...]) -> None:
    """Close what earlier deploys have opened and nothing needs any more: another port, a machine
    that was replaced. To be called when all runs what is installed."""
    close_all_but(
        name="firewalld: what nothing needs any more", interface=node.interface, entries=entries
    )


@change("firewalld does not run, or lets all of it in")
def open_in_zone(interface: str, entries: tuple[str, ...]) -> Iterator[str]:
    """Let `entries` into the zone of `interface`, now and after firewalld's next start."""
    found = parallel.get(ZoneFact, interface=interface)
    missing = [
        (f"{permanent}--zone={found.name}", entry)
        for permanent, there in zip(_BOTH, (found.now, found.later), strict=True)
        for entry in entries
        if found.name and entry not in there
    ]
    for options, entry in missing:
        yield install_record.note(install_record.FIREWALLD, f"{options} {entry}")
        yield f"firewall-cmd {options} {shlex.quote(f'--add-{entry}')}"


@change("firewalld does not run, or nothing was opened that is not needed")
def close_all_but(interface: str, entries: tuple[str, ...]) -> Iterator[str]:
    """Close what deploys have opened, but for `entries` in the zone of `interface`."""
    zone = parallel.get(ZoneFact, interface=interface).name
    wanted = {f"{options}--zone={zone} {entry}" for entry in entries for options in _BOTH}
    for line in parallel.get(OpenedEntries):
        if zone and line and line not in wanted:
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
