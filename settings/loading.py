"""The inventory, read once into typed, frozen, checked values; what cannot work is refused here.

Nothing else in Tandem reads `host.data`. `load` collects every mistake of every machine before it
raises, so that a person mends them all at once; config.py calls it before pyinfra connects.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from settings import mistakes as checks
from settings import release_lock, releases, secret_origins
from settings.cluster import Cluster
from settings.mistakes import cluster_mistakes, name_mistakes, pyinfra_mistakes, routed_mistakes
from settings.mistakes.mistake import Bars, Mistake, SettingsError, merge
from settings.node import Node
from settings.run_options import RunOptions
from settings.validation import network_defaults, validated
from settings.values import HIDDEN, UNREAD, alike
from settings.wording.secrecy import NOT_SET

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.inventory import Inventory

# Set by `lab run`: the machines are the lab's, which has Debian's mirrors and nothing else.
IN_LAB = bool(os.environ.get("TANDEM_LAB"))
# How SSH reaches the lab's machines, in pyinfra's names: by what is in the home of `lab run`.
# Keys, known hosts and ssh_config of the machines they stand for may not be here.
LAB_CONNECTION: dict[str, object] = {
    "ssh_key": None,
    "ssh_key_password": None,
    "ssh_config_file": None,
    "ssh_known_hosts_file": None,
    "ssh_allow_agent": False,
    "ssh_look_for_keys": True,
}
# Host data that belongs to pyinfra and its connectors.
FOREIGN = ("ssh_", "fake_", "_")


def load(inventory: Inventory) -> tuple[Cluster, ...]:
    """The inventory's clusters. Raises `SettingsError` with everything that bars a deploy."""
    return _unless_barred(inventory, Bars.DEPLOY)


def clusters(inventory: Inventory) -> tuple[Cluster, ...]:
    """The inventory's clusters. Raises `SettingsError` with everything that bars every command."""
    return _unless_barred(inventory, Bars.EVERYTHING)


def as_far_as_readable(inventory: Inventory) -> tuple[RunOptions, tuple[Cluster, ...]]:
    """What `--data` says and the clusters, with UNREAD wherever something is a mistake.

    For what is wrong besides: whatever depends on a mistake raises `NotRead`.
    """
    found, _ = _read(inventory)
    return RunOptions.as_far_as_readable(inventory.override_data), found


def doubts(inventory: Inventory) -> tuple[Mistake, ...]:
    """What bars only deploys, or only some of them: each mistake once. Others are told of it."""
    _, mistakes = _read(inventory)
    return tuple(merge(mistake for mistake in mistakes if mistake.bars < Bars.EVERYTHING))


def _unless_barred(inventory: Inventory, least: Bars) -> tuple[Cluster, ...]:
    found, mistakes = _read(inventory)
    if barring := [mistake for mistake in mistakes if mistake.bars >= least]:
        raise SettingsError(barring)
    return found


@cache  # once per inventory
def _read(inventory: Inventory) -> tuple[tuple[Cluster, ...], tuple[Mistake, ...]]:
    """The inventory's clusters, as far as they can be read, and every mistake there is."""
    mistakes: list[Mistake] = list(name_mistakes.of_override(inventory.override_data))
    clusters: list[Cluster] = []
    groups: dict[str, list[str]] = {host.name: [] for host in inventory}
    pinned = _pinned(mistakes)
    for name, hosts in _cluster_groups(inventory):
        for host in hosts:
            groups[host.name].append(name)
        if cluster := _cluster(name, hosts, pinned, mistakes):
            clusters.append(cluster)
    if not groups:
        mistakes.append(Mistake("inventory", "hosts", 0, "name your machines in inventory.py"))
    for host in inventory:
        if len(groups[host.name]) > 1:
            remedy = "a machine belongs to exactly one group that sets `vip`"
            mistakes.append(Mistake(host.name, "clusters", ", ".join(groups[host.name]), remedy))
        elif not groups[host.name]:
            mistakes += _of_no_cluster(host, pinned)
    mistakes += name_mistakes.of_groups(inventory.group_data, _used_groups(inventory))
    mistakes += cluster_mistakes.between(clusters)
    _options(inventory.override_data, mistakes)
    return tuple(clusters), tuple(mistakes)


def unused_groups(inventory: Inventory) -> list[str]:
    """The names of groups that have data, and no machine in this inventory."""
    return name_mistakes.unused(inventory.group_data, _used_groups(inventory))


def _used_groups(inventory: Inventory) -> list[str]:
    return [name for name, hosts in inventory.groups.items() if hosts]


def of(host: Host) -> tuple[Node, Cluster]:
    """The node that pyinfra's `host` stands for, and its cluster. Raises LookupError."""
    every = ((node, cluster) for cluster in clusters(host.inventory) for node in cluster.nodes)
    return {node.name: (node, cluster) for node, cluster in every}[host.name]


def ssh_address(host: Host) -> tuple[str, int]:
    """The host name or address, and the port, by which SSH reaches `host`: pyinfra's own data."""
    data = host.data.dict()  # type: ignore[no-untyped-call]
    return str(data.get("ssh_hostname") or host.name), int(data.get("ssh_port") or 22)


def ssh_login(host: Host) -> tuple[str, str, int]:
    """Who SSH logs in as, and where."""
    data = host.data.dict()  # type: ignore[no-untyped-call]
    return (str(data.get("ssh_user") or getpass.getuser()), *ssh_address(host))


def login_data(host: Host) -> dict[str, Any]:
    """How `host` is reached, and who becomes root there: pyinfra's own data."""
    data: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
    return {name: value for name, value in data.items() if name.startswith(("ssh_", "_"))}


def connect_as_in_lab(connector: Any) -> None:
    """Have pyinfra's `connector` of one machine connect as the lab wants it, if it is the lab's."""
    if IN_LAB:
        connector.data.update(LAB_CONNECTION)


def options(inventory: Inventory) -> RunOptions:
    """What `--data` says about this run. Raises `SettingsError`."""
    mistakes: list[Mistake] = []
    found = _options(inventory.override_data, mistakes)
    if found is None:
        raise SettingsError(mistakes)
    return found


def _options(override: Mapping[str, Any], mistakes: list[Mistake]) -> RunOptions | None:
    fields = RunOptions.model_fields
    given = {key: value for key, value in override.items() if key in fields}
    return validated(RunOptions, "--data", given, mistakes)


def _cluster_groups(inventory: Inventory) -> Iterator[tuple[str, Sequence[Host]]]:
    """Every group that sets `vip`, with its machines; `all` are those of group_data/all.py."""
    for name, data in inventory.group_data.items():
        hosts = inventory.get_group(name, [])
        if "vip" in data and name != "all" and hosts:
            yield name, hosts
    if "vip" in inventory.data:
        yield "all", list(inventory)


def _pinned(mistakes: list[Mistake]) -> dict[str, str]:
    """What releases.lock says, without what `releases` knows; where they differ is a mistake."""
    lock = release_lock.path()
    try:
        pinned = release_lock.read(lock)
    except (OSError, ValueError) as error:
        remedy = "give lines of sha256sum, one for each version: SHA256  nginx-1.31.2.tar.gz"
        if isinstance(error, OSError):
            remedy = "let it be a file that you may read, or none"
        mistakes.append(Mistake(str(lock), "releases.lock", str(error), remedy, Bars.DEPLOY))
        return {}
    for version in pinned.keys() & releases.SHA256.keys():
        if pinned.pop(version) != releases.SHA256[version]:
            remedy = "settings/releases.py has another sha256: one is not what was released"
            mistakes.append(Mistake(str(lock), "releases.lock", version, remedy, Bars.DEPLOY))
    return pinned


def _cluster(
    name: str, hosts: Sequence[Host], pinned: Mapping[str, str], mistakes: list[Mistake]
) -> Cluster | None:
    """The cluster of these machines, UNREAD where something is a mistake."""
    if len(hosts) < 2:
        mistakes.append(Mistake(name, "hosts", len(hosts), "a cluster needs two machines or more"))
    # Of a routed cluster, those that are given no priority come last, in their order.
    nodes = [
        _node(host, name, pinned, mistakes, priority=len(hosts) - place)
        for place, host in enumerate(hosts)
    ]
    mistakes += cluster_mistakes.within(name, nodes)
    nodes.sort(key=lambda node: 0 if node.priority is UNREAD else -node.priority)
    return Cluster(name=name, nodes=tuple(nodes)) if nodes else None


def _of_no_cluster(host: Host, pinned: Mapping[str, str]) -> Iterator[Mistake]:
    """What is wrong with a machine of no group that sets `vip`, unless `vip` is misspelt."""
    found: list[Mistake] = []
    _node(host, "none", pinned, found)
    if not any(mistake.remedy.endswith("did you mean vip?") for mistake in found):
        remedy = "a machine belongs to exactly one group that sets `vip`"
        yield Mistake(host.name, "clusters", "none", remedy)
    yield from (each for each in found if (each.setting, each.value) != ("vip", NOT_SET))


def _node(
    host: Host,
    cluster: str,
    pinned: Mapping[str, str],
    mistakes: list[Mistake],
    priority: int = 1,
) -> Node:
    """The node of one host; what is wrong with it is UNREAD, and added to `mistakes`.

    + priority: what it has in a routed cluster, where none is given.
    """
    every: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
    override = host.inventory.override_data
    elsewhere = {*RunOptions.model_fields, *name_mistakes.unknown(override)}
    data = {
        key: value
        for key, value in every.items()
        if not key.startswith(FOREIGN) and key not in elsewhere
    }
    mistakes += name_mistakes.of_data(host.name, every, override)
    mistakes += pyinfra_mistakes.of_data(host.name, every)
    connected = {**every, **LAB_CONNECTION} if IN_LAB else every
    mistakes += pyinfra_mistakes.of_login(host.name, connected)
    mistakes += routed_mistakes.without_effect(host.name, every, host.inventory.data)
    # (A word that is wrong is one mistake, and not a second one about priorities.)
    if alike(str(data.get("spread", "vrrp")).strip(), ("vrrp", "bgp")) != "vrrp":
        data.setdefault("priority", priority)
    data.setdefault("address", every.get("ssh_hostname") or host.name)
    if IN_LAB and data.get("nginx_source") == "nginx.org":
        data["nginx_source"] = "debian"
        if data.get("nginx_version") not in releases.IN_DEBIAN:
            data["nginx_version"] = next(iter(releases.IN_DEBIAN))
    own = {"name": host.name, "cluster": cluster, "lab": IN_LAB}
    data |= own | network_defaults(data)
    if sha256 := pinned.get(str(data.get("nginx_version"))):
        if data.get("nginx_sha256") not in ("", None, sha256):
            remedy = f"releases.lock has pinned {sha256}; leave it empty"
            wrong = (host.name, "nginx_sha256", data["nginx_sha256"], remedy)
            mistakes.append(Mistake(*wrong, Bars.DEPLOY))
        data["nginx_sha256"] = sha256
    if data.get("vrrp_version") == 2:
        _fetch_auth_pass(host.name, data, mistakes)
    node = validated(Node, host.name, data, mistakes)
    if not node:
        # A name that is wrong still says whose all the other mistakes are.
        node = Node.as_far_as_readable(data).model_copy(update=own)
    mistakes += checks.of_node(node)
    return node


def _fetch_auth_pass(host_name: str, data: dict[str, Any], mistakes: list[Mistake]) -> None:
    """Set `data`'s auth_pass from where it says that it is; what cannot be had is HIDDEN."""
    found = secret_origins.origins(data, "auth_pass", file="auth_pass_file")
    for origin in found[1:]:
        remedy = f"{found[0].setting} is set, too: give one of them"
        mistakes.append(Mistake(host_name, origin.setting, origin.where, remedy))
    for origin in found[:1]:
        try:
            secret = secret_origins.read(origin).decode().rstrip("\r\n")
        except (secret_origins.SecretError, UnicodeDecodeError) as error:
            said = "is no text" if isinstance(error, UnicodeDecodeError) else str(error)
            mistakes.append(Mistake(host_name, origin.setting, origin.where, said, Bars.DEPLOY))
            secret = HIDDEN
        data["auth_pass"] = secret
