"""What cannot work although every value is right: between settings, machines and clusters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

from pyinfra.api.exceptions import PyinfraError

from settings import proxy, releases, site
from settings.cluster import Cluster
from settings.mistakes import metrics_mistakes
from settings.node import Interface, Node

SECRETS = frozenset({"auth_pass"})
# What may be the prefix of a network with machines in it; /64 is what all of them have.
PREFIXES6 = range(48, 128)
# Settings that every node of a cluster has to share, or its nodes do not form one.
SHARED = (
    "vip",
    "vip6",
    "more_vips",
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
    "sites",
    "tls_certificate",
    "tls_key",
    "https_port",
    "hsts_s",
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
    yield from _vip_mistakes(node)
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
    for setting, remedy in metrics_mistakes.mistakes(node):
        yield wrong(setting, remedy)
    if any(flag.startswith(releases.PERL_FLAG) for flag in node.nginx_extra_flags):
        yield wrong("nginx_extra_flags", "leave perl's flag out, and set perl = True")
    for setting, value, remedy in (
        *proxy.mistakes(node.upstreams, node.proxy, node.cache),
        *site.mistakes(node),
    ):
        yield Mistake(node.name, setting, value, remedy)


def _vip_mistakes(node: Node) -> Iterator[Mistake]:
    """What is wrong with the VIPs as this machine has to carry them."""
    ways = [
        ("vip", node.vip),
        ("vip6", node.vip6),
        *(("more_vips", vip) for vip, _ in node.more_vips),
    ]
    for setting, vip in ways:
        if vip is None:
            continue

        def wrong(setting: str, remedy: str, vip: Interface = vip) -> Mistake:
            return Mistake(node.name, setting, vip, remedy)

        network = vip.network
        own = node.address if vip.version == 4 else node.address6
        if vip.version == 6 and node.classic and setting != "vip6":
            yield wrong(setting, "VRRPv2 has IPv4 addresses only; give one, or vrrp_version = 3")
        if own is None:
            remedy = f"{setting} is an IPv6 address: give this machine's own in {network}"
            yield Mistake(node.name, "address6", None, remedy)
        elif own not in network:
            yield wrong(setting, f"its network {network} does not contain the address {own}")
        if vip.version == 6 and network.prefixlen not in PREFIXES6:
            # IPv4's, or none at all: no network of machines is so large, or so small.
            remedy = (
                f"/{network.prefixlen} is no IPv6 network's prefix; give that of the machines' "
                f"network, {PREFIXES6[0]} to {PREFIXES6[-1]}, usually {vip.ip}/64"
            )
            yield wrong(setting, remedy)
        reserved = {network.network_address}
        if vip.version == 4:
            reserved.add(network.broadcast_address)
        if network.prefixlen < vip.max_prefixlen - 1 and vip.ip in reserved:
            what = "network's or the broadcast" if vip.version == 4 else "routers' anycast"
            yield wrong(setting, f"this is the {what} address of {network}")
    if node.vip6 and node.vip.version == 6:
        yield Mistake(node.name, "vip6", node.vip6, "vip is an IPv6 address already: leave it None")
    last = node.virtual_router_id + len(node.more_vips)
    if last > 255:
        remedy = f"more_vips take the numbers after it: give {255 - len(node.more_vips)} or less"
        yield Mistake(node.name, "virtual_router_id", node.virtual_router_id, remedy)
    if node.more_vips and node.label in {
        f"{node.interface}:{place}" for place in range(1, len(node.more_vips) + 1)
    }:
        yield Mistake(node.name, "label", node.label, "one of more_vips has it: give another")


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
        vips = (node.vip, node.vip6, *(vip for vip, _ in node.more_vips))
        for vip in [vip for vip in vips if vip]:
            for other in nodes:
                if vip.ip in (other.address, other.address6):
                    setting = (
                        "vip6" if vip is node.vip6 else "vip" if vip is node.vip else "more_vips"
                    )
                    remedy = f"this is the address of {other.name} itself"
                    yield Mistake(name, setting, vip, remedy)
    members = ", ".join(node.name for node in nodes)
    for vip, holder in nodes[0].more_vips if nodes else ():
        if holder not in [node.name for node in nodes]:
            shown = f"{vip} on {holder}" if holder else f"{vip} on nobody"
            remedy = f"name the machine that holds it while all are well: one of {members}"
            yield Mistake(name, "more_vips", shown, remedy)
    priorities = [node.priority for node in nodes]
    if not priorities or not nodes[0].classic:
        return  # by default the weights are computed, see settings/election.py
    span = max(priorities) - min(priorities)
    for setting in ("nginx_weight", "maintenance_weight"):
        weight = getattr(nodes[0], setting)
        if -weight <= span:
            remedy = f"cannot move the VIP: priorities are {span} apart, give {-span - 1} or less"
            yield Mistake(name, setting, weight, remedy)


def neighbour_mistakes(clusters: list[Cluster]) -> Iterator[Mistake]:
    """What is wrong between VIPs, of one cluster or of several, on one network."""
    seen = [(cluster, view) for cluster in clusters for view in cluster.vips]
    for (one, view), (other, its) in combinations(seen, 2):
        where = one.name if one is other else f"{one.name}, {other.name}"
        setting = "more_vips" if its.place else "vip"
        if view.vip.ip == its.vip.ip:
            yield Mistake(where, setting, its.vip, "give each VIP an address of its own")
        if view.vip6 and view.vip6.ip in (its.vip.ip, its.vip6 and its.vip6.ip):
            yield Mistake(where, "vip6", view.vip6, "give each VIP an address of its own")
        router_id = view.preferred.virtual_router_id
        if router_id == its.preferred.virtual_router_id and view.vip.network.overlaps(
            its.vip.network
        ):
            remedy = f"both are on {view.vip.network}; give each cluster its own number"
            yield Mistake(where, "virtual_router_id", router_id, remedy)


def warnings(cluster: Cluster) -> Iterator[str]:
    """What may be meant, but is worth a word."""
    counts = Counter(view.preferred.name for view in cluster.vips)
    for name, count in counts.items():
        idle = ", ".join(node.name for node in cluster.nodes if node.name not in counts)
        if count > 1 and idle:
            vips = ", ".join(str(v.vip.ip) for v in cluster.vips if v.preferred.name == name)
            yield f"{cluster.name}: {name} is preferred for {vips}, while {idle} has none"
