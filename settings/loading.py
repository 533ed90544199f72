"""The inventory, read once into typed, frozen, checked values; what cannot work is refused here.

Nothing else in Tandem reads `host.data`. `load` collects every mistake of every machine before it
raises, so that a person mends them all at once; config.py calls it before pyinfra connects.
"""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from settings import releases
from settings.cluster import Cluster
from settings.mistakes.constraints import (
    Mistake,
    SettingsError,
    cluster_mistakes,
    neighbour_mistakes,
    node_mistakes,
)
from settings.node import Node
from settings.run_options import RunOptions
from settings.values import Values

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
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
        data["nginx_source"] = "debian"
        if data.get("nginx_version") not in releases.IN_DEBIAN:
            data["nginx_version"] = next(iter(releases.IN_DEBIAN))
    data |= {"name": host.name, "cluster": cluster, "lab": IN_LAB}
    try:
        node = Node.model_validate(data)
    except ValidationError as error:
        mistakes += _explained(host.name, data, error, Node)
        return None
    mistakes += node_mistakes(node)
    return node


def _explained(
    where: str, data: Mapping[str, Any], error: ValidationError, model: type[Values]
) -> Iterator[Mistake]:
    """pydantic's findings as mistakes that say what would be right."""
    found = error.errors()
    for finding in found:
        here = finding["loc"]
        if any(
            len(other["loc"]) > len(here) and other["loc"][: len(here)] == here for other in found
        ):
            continue  # a list is too short only because of what is wrong with its members
        setting = str(finding["loc"][0])
        if len(finding["loc"]) > 1 and _model_in(model.model_fields[setting].annotation):
            yield _inside(where, data, finding, model)
        elif finding["type"] == "missing":
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


def _inside(
    where: str, data: Mapping[str, Any], finding: ErrorDetails, model: type[Values]
) -> Mistake:
    """The same of a value that is part of a setting, as `upstreams[app].servers[0]`."""
    first, *steps = finding["loc"]
    setting, right = str(first), model.model_fields[str(first)].description or ""
    inner, given = _model_in(model.model_fields[str(first)].annotation), data.get(str(first))
    for step in steps:
        if isinstance(step, int):
            # Written as a dict, a person knows it by its key.
            key = list(given)[step] if isinstance(given, Mapping) and step < len(given) else step
            setting += f"[{key}]"
            given = given[key] if isinstance(given, (Mapping, list, tuple)) else None
            continue
        given = given.get(step) if isinstance(given, Mapping) else given
        if inner and step in inner.model_fields:
            field = inner.model_fields[step]
            setting, right = f"{setting}.{step}", field.description or right
            inner = _model_in(field.annotation) or inner
        else:
            setting = f"{setting}.{step}"
    if finding["type"] == "extra_forbidden" and inner:
        close = difflib.get_close_matches(str(steps[-1]), inner.model_fields, n=1)
        there = (
            f"did you mean {close[0]}?" if close else f"there are {', '.join(inner.model_fields)}"
        )
        return Mistake(where, setting, given, f"there is no such setting; {there}")
    value = "(not set)" if finding["type"] == "missing" else finding["input"]
    if finding["type"] == "value_error" and inner and str(steps[-1]) not in inner.model_fields:
        return Mistake(where, setting, value, str(finding["ctx"]["error"]))
    return Mistake(where, setting, value, f"give {right}")


def _model_in(annotation: Any) -> type[Values] | None:
    """The group of settings that a field's type is about, None for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, Values):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
