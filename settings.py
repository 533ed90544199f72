"""The inventory, read once into typed, frozen, checked values; what cannot work is refused here.

Nothing else in Tandem reads `host.data`. `load` collects every mistake of every machine before it
raises, so that a person mends them all at once; config.py calls it before pyinfra connects.
"""

from __future__ import annotations

import difflib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface, ip_address
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pyinfra.api.exceptions import PyinfraError

import releases

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.inventory import Inventory

# Set by `lab run`: the machines are the lab's, which has Debian's mirrors and nothing else.
IN_LAB = bool(os.environ.get("TANDEM_LAB"))

SECRETS = frozenset({"auth_pass"})
# Settings that every node of a cluster has to share, or its nodes do not form one.
SHARED = (
    "vip",
    "virtual_router_id",
    "vrrp_version",
    "advert_interval_s",
    "auth_pass",
    "http_port",
    "nginx_version",
    "nginx_weight",
    "maintenance_weight",
)
# Host data that belongs to pyinfra and its connectors.
FOREIGN = ("ssh_", "fake_", "_")


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


class SettingsError(PyinfraError):
    """The inventory cannot work; `mistakes` holds all that is wrong with it."""

    def __init__(self, mistakes: Iterable[Mistake]):
        self.mistakes = tuple(merge(mistakes))
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        lines = "".join(f"\n    - {mistake}" for mistake in self.mistakes)
        super().__init__(f"{count} in the settings; no machine was touched:{lines}")


class _Values(BaseModel):
    """Strict about names, frozen. A field's description says what would be right."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RunOptions(_Values):
    """What `--data NAME=VALUE` says about one run rather than about the machines."""

    only: str = Field("", description="check ids or areas, with commas: only=NGX-01,X")
    skip: str = Field("", description="check ids or areas, with commas: skip=TIME")
    wait: float = Field(0, ge=0, le=3600, description="0 to 3600 seconds")
    report: str = Field("", description="a directory for the reports")
    replay: str = Field("", description="a gathering.json that an earlier report=DIR has saved")
    list: bool = Field(False, description="1 lists the checks and asks no machine")
    explain: str = Field("", description="the id of one check: explain=X-01")


class Node(_Values):
    """One machine with everything that was set for it."""

    name: str = Field(pattern=r"^[\w.@/-]+$", description="letters, digits, dots and hyphens")
    cluster: str
    lab: bool

    address: IPv4Address = Field(
        description="the machine's own IPv4 address in the VIP's network; give `address` where "
        "ssh_hostname is a name or another address"
    )
    priority: int = Field(ge=1, le=254, description="1 to 254, the highest holds the VIP")
    page: str = Field(
        min_length=1, pattern=r"^[^\n]*$", description="one line, the page this machine serves"
    )

    nginx_version: str = Field(pattern=r"^\d+\.\d+\.\d+$", description='like "1.30.6"')
    nginx_sha256: str = Field(
        pattern=r"^([0-9a-f]{64})?$",
        description="the 64 hexadecimal digits of the tarball's sha256",
    )
    nginx_source: str = Field(
        pattern=r"^(nginx\.org|debian|.*/.*)$",
        description='"nginx.org", "debian", or the path of a tarball, with a / in it',
    )
    workload: Literal["cpu", "io"] = Field(description='"cpu" or "io"')
    worker_connections: int = Field(ge=64, le=1_000_000, description="64 to 1000000")
    http_port: int = Field(ge=1, le=65535, description="1 to 65535")

    ntp_server: str = Field(pattern=r"^[\w.:-]*$", description='a host name, an address or ""')

    interface: str = Field(
        pattern=r"^[^\s/:]{1,15}$", description="an interface's name, 15 characters at the most"
    )
    label: str = Field(description="the interface's name, a colon and more; 15 characters in all")
    vip: IPv4Interface = Field(description='an address with its prefix, like "172.16.12.254/16"')
    virtual_router_id: int = Field(
        ge=1, le=255, description="1 to 255, a number that no other VRRP on this network uses"
    )
    vrrp_version: Literal[2] = Field(description="2")
    advert_interval_s: int = Field(ge=1, le=255, description="1 to 255 whole seconds (VRRPv2)")
    auth_pass: str = Field(
        min_length=1,
        max_length=8,
        pattern=r"^[!-~]*$",
        description="1 to 8 printable characters without spaces; keepalived silently cuts the rest",
    )
    nginx_weight: int = Field(ge=-253, le=-1, description="-253 to -1")
    maintenance_weight: int = Field(ge=-253, le=-1, description="-253 to -1")
    check_interval_s: int = Field(ge=1, le=3600, description="1 to 3600 whole seconds")
    check_fall: int = Field(ge=1, le=100, description="1 to 100")

    notification_email: tuple[str, ...] = Field(
        description='a list of addresses, ["a@example.org"]'
    )
    notification_email_from: str = Field(description='one address, "a@example.org"')
    smtp_server: str = Field(pattern=r"^[\w.:-]+$", description="a host name or an address")

    @field_validator("notification_email", "notification_email_from")
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        # They are written into a shell script: nothing there may mean anything to a shell.
        addresses = (value,) if isinstance(value, str) else value
        if not all(re.fullmatch(r"[\w.+-]+@[\w.-]+", address) for address in addresses):
            raise ValueError("not an address")
        return value

    @property
    def sha256(self) -> str:
        """The checksum that this node's tarball must have."""
        return self.nginx_sha256 or releases.SHA256[self.nginx_version]

    @property
    def notice(self) -> str:
        """What the lab builds in place of what is set, in words; empty where nothing differs."""
        if not self.lab or self.nginx_source != "debian":
            return ""
        return (
            f"In the lab: nginx {self.nginx_version} out of Debian's source package, the newest "
            "that its mirrors carry. Your own machines get what group_data/ says."
        )


class Cluster(_Values):
    """Machines that share one VIP, highest priority first."""

    name: str
    nodes: tuple[Node, ...]

    @property
    def preferred(self) -> Node:
        """The node that holds the VIP while all are well."""
        return self.nodes[0]

    @property
    def vip(self) -> IPv4Interface:
        return self.nodes[0].vip

    def peers(self, node: Node) -> tuple[Node, ...]:
        return tuple(other for other in self.nodes if other.name != node.name)


def merge(mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    """The same mistake on several machines, said once."""
    wheres: dict[tuple[str, str, str], list[Mistake]] = defaultdict(list)
    for mistake in mistakes:
        wheres[mistake.setting, repr(mistake.value), mistake.remedy].append(mistake)
    for same in wheres.values():
        yield same[0]._replace(where=", ".join(dict.fromkeys(m.where for m in same)))


def load(inventory: Inventory) -> tuple[Cluster, ...]:
    """The inventory's clusters. Raises `SettingsError` with every mistake there is."""
    mistakes: list[Mistake] = []
    clusters: list[Cluster] = []
    members: dict[str, list[str]] = defaultdict(list)
    hosts = {host.name: host for host in inventory}
    groups: dict[str, tuple[list[Host], dict[str, Any]]] = {
        name: (inventory.get_group(name, []), data) for name, data in inventory.group_data.items()
    }
    groups["all"] = (list(hosts.values()), inventory.data)
    for name, (group_hosts, data) in groups.items():
        if "vip" not in data:
            continue
        nodes = [_node(host, name, mistakes) for host in group_hosts]
        for host in group_hosts:
            members[host.name].append(name)
        if len(nodes) < 2:
            mistakes.append(
                Mistake(name, "hosts", len(nodes), "a cluster needs two machines or more")
            )
        whole = [node for node in nodes if node is not None]
        mistakes += _cluster_mistakes(name, whole)
        if whole:
            whole.sort(key=lambda node: -node.priority)
            clusters.append(Cluster(name=name, nodes=tuple(whole)))
    if not hosts:
        mistakes.append(Mistake("inventory", "hosts", 0, "name your machines in inventory.py"))
    for host_name in hosts:
        if len(members[host_name]) != 1:
            found = ", ".join(members[host_name]) or "none"
            remedy = "a machine belongs to exactly one group that sets `vip`"
            mistakes.append(Mistake(host_name, "clusters", found, remedy))
    mistakes += _neighbour_mistakes(clusters)
    _options(inventory.override_data, mistakes)
    if mistakes:
        raise SettingsError(mistakes)
    return tuple(clusters)


_loaded: WeakKeyDictionary[Inventory, tuple[Cluster, ...]] = WeakKeyDictionary()


def clusters(inventory: Inventory) -> tuple[Cluster, ...]:
    """`load`, done once per inventory."""
    if inventory not in _loaded:
        _loaded[inventory] = load(inventory)
    return _loaded[inventory]


def of(host: Host) -> tuple[Node, Cluster]:
    """The node that pyinfra's `host` stands for, and its cluster."""
    for cluster in clusters(host.inventory):
        for node in cluster.nodes:
            if node.name == host.name:
                return node, cluster
    raise LookupError(host.name)


def options(inventory: Inventory) -> RunOptions:
    """What this run was told with `--data`."""
    mistakes: list[Mistake] = []
    found = _options(inventory.override_data, mistakes)
    if found is None:
        raise SettingsError(mistakes)
    return found


def _options(override: Mapping[str, Any], mistakes: list[Mistake]) -> RunOptions | None:
    given = {key: value for key, value in override.items() if key in RunOptions.model_fields}
    # pyinfra turns `only=1` and the like into numbers.
    texts = {name for name, field in RunOptions.model_fields.items() if field.annotation is str}
    given = {key: str(value) if key in texts else value for key, value in given.items()}
    try:
        return RunOptions.model_validate(given)
    except ValidationError as error:
        mistakes += _explained("--data", given, error, RunOptions)
        return None


def _node(host: Host, cluster: str, mistakes: list[Mistake]) -> Node | None:
    """The node of one host, or None with what is wrong with it added to `mistakes`."""
    every: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
    data = {
        key: value
        for key, value in every.items()
        if not key.startswith(FOREIGN) and key not in RunOptions.model_fields
    }
    data.setdefault("address", every.get("ssh_hostname") or host.name)
    if IN_LAB and data.get("nginx_source") == "nginx.org":
        data |= {"nginx_version": next(iter(releases.IN_DEBIAN)), "nginx_source": "debian"}
    data |= {"name": host.name, "cluster": cluster, "lab": IN_LAB}
    try:
        node = Node.model_validate(data)
    except ValidationError as error:
        mistakes += _explained(host.name, data, error, Node)
        return None
    mistakes += _node_mistakes(node)
    return node


def _explained(
    where: str, data: Mapping[str, Any], error: ValidationError, model: type[_Values]
) -> Iterator[Mistake]:
    """pydantic's findings as mistakes that say what would be right."""
    for finding in error.errors():
        setting = str(finding["loc"][0])
        if finding["type"] == "missing":
            yield Mistake(
                where, setting, "(not set)", model.model_fields[setting].description or ""
            )
        elif finding["type"] == "extra_forbidden":
            close = difflib.get_close_matches(setting, model.model_fields, n=1)
            hint = (
                f"did you mean {close[0]}?" if close else "see group_data/all.py for what there is"
            )
            yield Mistake(where, setting, data[setting], f"there is no such setting; {hint}")
        else:
            right = model.model_fields[setting].description or finding["msg"]
            yield Mistake(where, setting, data[setting], f"give {right}")


def _node_mistakes(node: Node) -> Iterator[Mistake]:
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
        yield wrong("nginx_source", f"Debian carries {carried} with a signature; give nginx.org")


def _cluster_mistakes(name: str, nodes: list[Node]) -> Iterator[Mistake]:
    """What is wrong between the machines of one cluster."""
    for setting in SHARED:
        values = {getattr(node, setting) for node in nodes}
        if len(values) > 1:
            shown = " and ".join(
                sorted("(secret)" if setting in SECRETS else str(v) for v in values)
            )
            yield Mistake(name, setting, shown, "give every machine of a cluster the same")
    for setting in ("priority", "address"):
        holders: dict[object, list[str]] = defaultdict(list)
        for node in nodes:
            holders[getattr(node, setting)].append(node.name)
        for value, names in holders.items():
            if len(names) > 1:
                yield Mistake(", ".join(names), setting, value, "give each machine its own")
    for node in nodes:
        taken = [other.name for other in nodes if other.address == node.vip.ip]
        if taken:
            yield Mistake(name, "vip", node.vip, f"this is the address of {taken[0]} itself")
    priorities = [node.priority for node in nodes]
    if not priorities:
        return
    span = max(priorities) - min(priorities)
    for setting in ("nginx_weight", "maintenance_weight"):
        weight = getattr(nodes[0], setting)
        if -weight <= span:
            remedy = f"cannot move the VIP: priorities are {span} apart, give {-span - 1} or less"
            yield Mistake(name, setting, weight, remedy)


def _neighbour_mistakes(clusters: list[Cluster]) -> Iterator[Mistake]:
    """What is wrong between clusters on one network."""
    for index, one in enumerate(clusters):
        for other in clusters[index + 1 :]:
            where = f"{one.name}, {other.name}"
            router_id = one.preferred.virtual_router_id
            if one.vip.ip == other.vip.ip:
                yield Mistake(where, "vip", one.vip, "give each cluster its own")
            if router_id == other.preferred.virtual_router_id and one.vip.network.overlaps(
                other.vip.network
            ):
                remedy = f"both are on {one.vip.network}; give each cluster its own number"
                yield Mistake(where, "virtual_router_id", router_id, remedy)


def is_address(text: str) -> bool:
    """Whether `text` is an IP address rather than a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
