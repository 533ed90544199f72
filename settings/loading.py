"""The inventory, read once into typed, frozen, checked values; what cannot work is refused here.

Nothing else in Tandem reads `host.data`. `load` collects every mistake of every machine before it
raises, so that a person mends them all at once; config.py calls it before pyinfra connects.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from settings import releases
from settings.cluster import Cluster
from settings.explain import explained
from settings.mistakes.constraints import (
    Mistake,
    SettingsError,
    cluster_mistakes,
    neighbour_mistakes,
    node_mistakes,
)
from settings.node import Node
from settings.run_options import RunOptions

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.inventory import Inventory

__all__ = ["Cluster", "Mistake", "Node", "RunOptions", "SettingsError", "clusters", "of", "options"]

# Set by `lab run`: the machines are the lab's, which has Debian's mirrors and nothing else.
IN_LAB = bool(os.environ.get("TANDEM_LAB"))
# Host data that belongs to pyinfra and its connectors.
FOREIGN = ("ssh_", "fake_", "_")


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
        mistakes += cluster_mistakes(name, whole)
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
    mistakes += neighbour_mistakes(clusters)
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
        mistakes += explained("--data", given, error, RunOptions)
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
        data["nginx_source"] = "debian"
        if data.get("nginx_version") not in releases.IN_DEBIAN:
            data["nginx_version"] = next(iter(releases.IN_DEBIAN))
    data |= {"name": host.name, "cluster": cluster, "lab": IN_LAB}
    try:
        node = Node.model_validate(data)
    except ValidationError as error:
        mistakes += explained(host.name, data, error, Node)
        return None
    mistakes += node_mistakes(node)
    return node
