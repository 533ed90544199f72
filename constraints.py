"""What cannot work although every value is right: between settings, machines and clusters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pyinfra.api.exceptions import PyinfraError

import releases
import upstreams
from node import Cluster, Node

SECRETS = frozenset({"auth_pass"})
# Settings that every node of a cluster has to share, or its nodes do not form one.
SHARED = (
    "vip",
    "vip6",
    "virtual_router_id",
    "vrrp_version",
    "advert_interval_s",
    "missed_adverts",
    "health_trial_s",
    "handover",
    "handover_window_s",
    "auth_pass",
    "http_port",
    "nginx_version",
    "nginx_extra_flags",
    "perl",
    "upstreams",
    "proxy",
    "nginx_weight",
    "maintenance_weight",
)


class Mistake(NamedTuple):
    """One thing that cannot work: where it stands, the setting, its value, and what is right."""

    where: str
    setting: str
    value: object
    remedy: str

    def __str__(self) -> str:
        if self.setting in SECRETS:
            value = f"({len(str(self.value))} characters)"
        else:
            value = repr(str(self.value)) if isinstance(self.value, str) else str(self.value)
        return f"{self.where}: {self.setting} = {value}: {self.remedy}"


class Refused(PyinfraError):
    """Something a person has to mend; said without the line of our code where it was noticed."""

    # pyinfra shows the innermost line of a traceback, as if the fault were there; a property,
    # because gevent sets it when it carries an exception from one greenlet to another.
    __traceback__ = property(lambda self: None, lambda self, value: None)


class SettingsError(Refused):
    """The inventory cannot work; `mistakes` holds all that is wrong with it."""

    def __init__(self, mistakes: Iterable[Mistake]):
        self.mistakes = tuple(merge(mistakes))
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        lines = "".join(f"\n    - {mistake}" for mistake in self.mistakes)
        super().__init__(f"{count} in the settings; no machine was touched:{lines}")


def merge(mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    """The same mistake on several machines, said once."""
    wheres: dict[tuple[str, str, str], list[Mistake]] = defaultdict(list)
    for mistake in mistakes:
        wheres[mistake.setting, repr(mistake.value), mistake.remedy].append(mistake)
    for same in wheres.values():
        yield same[0]._replace(where=", ".join(dict.fromkeys(m.where for m in same)))


def node_mistakes(node: Node) -> Iterator[Mistake]:
    """What is wrong with one machine that only shows when its settings are seen together."""

    def wrong(setting: str, remedy: str) -> Mistake:
        return Mistake(node.name, setting, getattr(node, setting), remedy)

    if len(node.label) > 15 or not node.label.startswith(f"{node.interface}:"):
        yield wrong("label", f'give "{node.interface}:" and more, 15 characters at the most')
    network = node.vip.network
    if node.address not in network:
        yield wrong("vip", f"its network {network} does not contain the address {node.address}")
    if network.prefixlen < 31 and node.vip.ip in (
        network.network_address,
        network.broadcast_address,
    ):
        yield wrong("vip", f"this is the network's or the broadcast address of {network}")
    if node.vip6:
        network6 = node.vip6.network
        if node.address6 is None:
            yield wrong("address6", f"vip6 is set: give this machine's own address in {network6}")
        elif node.address6 not in network6:
            yield wrong(
                "vip6", f"its network {network6} does not contain the address {node.address6}"
            )
        if network6.prefixlen < 127 and node.vip6.ip == network6.network_address:
            yield wrong("vip6", f"this is the routers' anycast address of {network6}")
    if node.nginx_version in releases.REFUSED:
        yield wrong("nginx_version", f"{releases.REFUSED[node.nginx_version]}; give 1.30.6")
    elif node.nginx_version not in releases.SHA256 and not node.nginx_sha256:
        known = ", ".join(releases.SHA256)
        remedy = f"no checksum is known for it; give one of {known}, or set nginx_sha256 as well"
        yield wrong("nginx_version", remedy)
    elif releases.SHA256.get(node.nginx_version, node.nginx_sha256) != node.sha256:
        yield wrong("nginx_sha256", f"nginx {node.nginx_version} has another; leave it empty")
    if node.nginx_source == "debian" and node.nginx_version not in releases.IN_DEBIAN:
        carried = ", ".join(releases.IN_DEBIAN)
        yield wrong("nginx_source", f"Debian carries {carried}; for others give nginx.org")
    if any(flag.startswith(releases.PERL_FLAG) for flag in node.nginx_extra_flags):
        yield wrong("nginx_extra_flags", "leave perl's flag out, and set perl = True")
    for setting, value, remedy in upstreams.mistakes(node.upstreams, node.proxy, node.cache):
        yield Mistake(node.name, setting, value, remedy)


def cluster_mistakes(name: str, nodes: list[Node]) -> Iterator[Mistake]:
    """What is wrong between the machines of one cluster."""
    for setting in SHARED:
        values = {getattr(node, setting) for node in nodes}
        if len(values) > 1:
            shown = " and ".join(
                sorted("(secret)" if setting in SECRETS else str(v) for v in values)
            )
            yield Mistake(name, setting, shown, "give every machine of a cluster the same")
    for setting in ("priority", "address", "address6"):
        holders: dict[object, list[str]] = defaultdict(list)
        for node in nodes:
            holders[getattr(node, setting)].append(node.name)
        for value, names in holders.items():
            if len(names) > 1 and value is not None:
                yield Mistake(", ".join(names), setting, value, "give each machine its own")
    for node in nodes:
        taken = [other.name for other in nodes if other.address == node.vip.ip]
        if taken:
            yield Mistake(name, "vip", node.vip, f"this is the address of {taken[0]} itself")
        taken = [other.name for other in nodes if node.vip6 and other.address6 == node.vip6.ip]
        if taken:
            yield Mistake(name, "vip6", node.vip6, f"this is the address of {taken[0]} itself")
    priorities = [node.priority for node in nodes]
    if not priorities or not nodes[0].classic:
        return  # by default the weights are computed, see election.py
    span = max(priorities) - min(priorities)
    for setting in ("nginx_weight", "maintenance_weight"):
        weight = getattr(nodes[0], setting)
        if -weight <= span:
            remedy = f"cannot move the VIP: priorities are {span} apart, give {-span - 1} or less"
            yield Mistake(name, setting, weight, remedy)


def neighbour_mistakes(clusters: list[Cluster]) -> Iterator[Mistake]:
    """What is wrong between clusters on one network."""
    for index, one in enumerate(clusters):
        for other in clusters[index + 1 :]:
            where = f"{one.name}, {other.name}"
            router_id = one.preferred.virtual_router_id
            if one.vip.ip == other.vip.ip:
                yield Mistake(where, "vip", one.vip, "give each cluster its own")
            if one.vip6 and other.vip6 and one.vip6.ip == other.vip6.ip:
                yield Mistake(where, "vip6", one.vip6, "give each cluster its own")
            if router_id == other.preferred.virtual_router_id and one.vip.network.overlaps(
                other.vip.network
            ):
                remedy = f"both are on {one.vip.network}; give each cluster its own number"
                yield Mistake(where, "virtual_router_id", router_id, remedy)
