"""Read an inventory's machines with pyinfra, in a separate process.

Importing pyinfra replaces threads and subprocesses by gevent's; the lab starts processes that
outlive it and must not be affected.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lab import inventory_routers
from lab.errors import LabError
from lab.inventory_routers import USUAL
from lab.plan import MachineSpec

if TYPE_CHECKING:
    from pyinfra.api import Inventory, State

    from settings import Mistake, Node
    from settings.cluster import Cluster


class ReadInventory(NamedTuple):
    """The machines, and what a person has to know before a deploy: a line each."""

    machines: list[MachineSpec]
    notes: list[str]


def read(inventory: str, checkout: Path) -> ReadInventory:
    """What is in `inventory`, a path relative to the current directory.

    Raises `LabError` where it is wrong, or where the lab cannot stand in for its machines.
    """
    if not Path(inventory).is_file():
        raise LabError(f"There is no inventory {inventory}. Is its name right?")
    search = os.pathsep.join(filter(None, (str(checkout), os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [sys.executable, "-m", "lab.inventory_machines", inventory],
        capture_output=True,
        text=True,
        # settings/loading.py reads an inventory as the lab's where TANDEM_LAB is set.
        env={**os.environ, "PYTHONPATH": search, "TANDEM_LAB": "plan"},
    )
    if done.returncode:
        raise LabError(f"{inventory}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    machines = [MachineSpec.from_plain(machine) for machine in found["machines"]]
    return ReadInventory(machines, found["notes"])


def _load(inventory: str) -> ReadInventory:
    import settings
    from lab import inventory_certificates, inventory_login

    loaded, run = _inventory(inventory)
    specs = []
    clusters = settings.clusters(loaded)
    limits = [*inventory_login.limits(loaded, run.config), *_limits(clusters)]
    limits += inventory_routers.limits(clusters)
    if limits:
        lines = "".join(f"\n    - {limit}" for limit in limits)
        raise LabError(f"the lab cannot stand in for these machines; nothing was booted:{lines}")
    for cluster in clusters:
        vips6 = [vip for vip in cluster.addresses if vip.version == 6]
        whole6 = (vip.network.prefixlen for vip in vips6 if vip.network.num_addresses > 1)
        prefix6 = next(whole6, USUAL[6] if vips6 else None)
        for node in cluster.nodes:
            network = _network(cluster, node)
            address6 = f"{node.address6}/{prefix6}" if prefix6 and node.address6 else ""
            more = tuple(_more_interfaces(cluster, node))
            own = [f"{node.address}/{network.prefixlen}", *filter(None, [address6])]
            own += [address for _, addresses in more for address in addresses]
            host = loaded.get_host(node.name)
            ssh_hostname, ssh_port = settings.ssh_address(host)
            specs.append(
                MachineSpec(
                    name=node.name,
                    address=str(node.address),
                    network=str(network),
                    interface=node.interface,
                    base=node.lab_base,
                    vips=tuple(str(vip.ip) for vip in cluster.addresses),
                    ntp_server=node.ntp_server,
                    smtp_server=node.smtp_server,
                    ssh_hostname=ssh_hostname,
                    ssh_port=ssh_port,
                    address6=address6,
                    upstreams=tuple(
                        server.address for each in node.upstreams for server in each.servers
                    ),
                    more_interfaces=more,
                    login=inventory_login.of(host, run.config),
                    peerings=inventory_routers.peerings(cluster, node, own),
                )
            )
    notes = [*inventory_login.notes(loaded), *inventory_certificates.notes(clusters)]
    notes += _notes(specs)
    return ReadInventory(specs, notes)


def _inventory(name: str) -> tuple[Inventory, State]:
    """The inventory, and what config.py makes of the run. Raises `SettingsError`."""
    import click
    from pyinfra.api.config import Config
    from pyinfra.api.state import State
    from pyinfra.context import ctx_config, ctx_state
    from pyinfra_cli import util

    import settings
    from controller.given import inventory_file

    run = State()
    run.cwd = str(Path.cwd())
    run.config = Config()  # type: ignore[no-untyped-call]
    with ctx_state.use(run), ctx_config.use(run.config):
        if Path("config.py").is_file():
            # As for one of pyinfra's own commands, which only read the inventory as well.
            given = {"inventory": name, "operations": (), "group_data": ()}
            with click.Context(click.Command("lab")) as context:
                context.params.update(given)
                util.exec_file("config.py")
        loaded, wrong = inventory_file.read(name, {}, ())
    if wrong or loaded is None:
        raise settings.SettingsError(wrong)
    return loaded, run


def _limits(clusters: Iterable[Cluster]) -> Iterator[Mistake]:
    from settings import Mistake

    for cluster in clusters:
        for node in cluster.nodes:
            for number, interface in enumerate(node.interfaces):
                if interface.name == "lo":
                    setting = "more_interfaces" if number else "interface"
                    remedy = "a guest's card cannot be called so: give the interface of the network"
                    yield Mistake(node.name, setting, "lo", remedy)


def _notes(specs: Iterable[MachineSpec]) -> Iterator[str]:
    """What is not in the lab."""
    addresses = {"127.0.0.1", "localhost"}.union(*((spec.address, spec.name) for spec in specs))
    servers = dict.fromkeys(server for spec in specs for server in spec.upstreams)
    absent = [server for server in servers if server.rpartition(":")[0] not in addresses]
    if absent:
        yield (
            f"Of upstreams the lab has none: nobody answers at {', '.join(absent)}, and what is "
            "passed there is answered with 502."
        )


def _network(cluster: Cluster, node: Node) -> IPv4Network:
    """The machine's IPv4 network. In a routed cluster its routers tell it; else it is all
    machines': a VIP's that contains them; without one, the smallest from /24 up
    that contains all machines and their time and mail servers."""
    if cluster.routed:
        return inventory_routers.network(cluster, node)
    for vip in cluster.beside_own(cluster.preferred):
        if isinstance(vip, IPv4Interface):
            return vip.network
    first, *others = (node.address for node in cluster.nodes)
    for each in cluster.nodes:
        for server in (each.ntp_server, each.smtp_server):
            with suppress(ValueError):
                others.append(IPv4Address(server))
    network = IPv4Interface((first, 24)).network
    while not all(other in network for other in others):
        network = network.supernet()
    return network


def _more_interfaces(cluster: Cluster, node: Node) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Further interfaces with their addresses, which have the prefix length of a VIP's network that
    contains them; without one, the usual."""
    networks = [vip.network for vip in cluster.addresses if vip.network.num_addresses > 1]
    for name, addresses in node.more_interfaces:
        own = []
        for address in addresses:
            mine = (network.prefixlen for network in networks if address in network)
            own.append(f"{address}/{next(mine, USUAL[address.version])}")
        yield name, tuple(own)


def main() -> None:
    """Print the machines of the inventory `sys.argv[1]` as JSON."""
    from pyinfra.api.exceptions import PyinfraError
    from pyinfra_cli.exceptions import CliError

    try:
        found = _load(sys.argv[1])
    except (PyinfraError, CliError, LabError) as error:
        sys.exit(str(error))
    machines = [asdict(machine) for machine in found.machines]
    json.dump({"machines": machines, "notes": found.notes}, sys.stdout)


if __name__ == "__main__":
    main()
