"""The exporters that Prometheus reads: nginx's, Tandem's own, and who may read them."""

from __future__ import annotations

from collections.abc import Generator
from ipaddress import collapse_addresses

from pyinfra import host
from pyinfra.api import StringCommand, operation

from controller import batched_facts, program_archive, rendering
from settings import Cluster, Node
from tasks.machine import one_file, service_state, units
from tasks.machine import packages as machine_packages
from tasks.machine.footprint import Footprint
from tasks.machine.quoting import quoted
from tasks.machine.service_state import ManagedService
from tasks.machine.survey import SurveyedMachine
from tasks.machine.units import UnitFile

NAME = "tandem-metrics"
PROGRAM = "/usr/lib/tandem/metrics"
TABLE = "/etc/tandem/metrics.nft"
# Debian's package, its service and its program are all called so.
NGINX = "prometheus-nginx-exporter"
DROP_IN = f"/etc/systemd/system/{NGINX}.service.d/tandem.conf"
SERVICE = ManagedService(NAME, "/usr/bin/python3")
NGINX_SERVICE = ManagedService(NGINX, f"/usr/bin/{NGINX}")
FOOTPRINT = Footprint(
    concern="metrics",
    units=(NAME,),
    tables=("tandem_metrics",),
    files=(PROGRAM, TABLE, DROP_IN),
    trees=(f"/run/{NAME}", f"/run/{NGINX}"),
    directories=(DROP_IN.rpartition("/")[0],),
)


def packages(node: Node) -> tuple[str, ...]:
    return (NGINX,) if node.metrics else ()


def services(node: Node) -> tuple[ManagedService, ...]:
    return (NGINX_SERVICE, SERVICE) if node.metrics else ()


def rules(node: Node) -> str:
    """The file that nft loads; it takes no network that lies within another."""
    allowed = collapse_addresses(node.metrics_allow)
    return rendering.render("metrics/metrics.nft.j2", node=node, allowed=list(allowed))


def command(node: Node, cluster: Cluster) -> str:
    words = ["/usr/bin/python3", PROGRAM, "--address", node.address, "--port", node.metrics_port]
    words += ["--interface", node.interface, "--node", node.name, "--cluster", cluster.name]
    words += ["--table", TABLE]
    for vip in cluster.addresses:
        words += ["--vip", vip.ip]
    return quoted(*words)


def unit_file(command: str, machine: SurveyedMachine) -> UnitFile:
    """The unit that runs `command`. Never an init script: without systemd there are no metrics."""
    text = rendering.render("metrics/tandem-metrics.service.j2", command=command, table=TABLE)
    return UnitFile(units.path(NAME, machine), text)


def configure(node: Node, cluster: Cluster, machine: SurveyedMachine) -> None:
    """Install all that the exporters read; without `metrics`, remove them.

    To be called before packages are installed: Debian starts a service as soon as it is installed,
    and it would listen on every address.
    """
    if not node.metrics:
        one_file.ask_ahead(TABLE)
        remove(name="Metrics: not asked for")
        return
    one_file.file(
        name="Metrics: nftables, who may ask",
        path=TABLE,
        content=rules(node),
        # On a bare machine there is no nft yet; the units would not start with a wrong table.
        check="! command -v nft || nft --check --file {new}",
    )
    one_file.file(
        name="Metrics: the program",
        path=PROGRAM,
        content=program_archive.archive("metrics/metrics"),
        mode="755",
    )
    units.install("Metrics: its unit", unit_file(command(node, cluster), machine))
    one_file.file(
        name="Metrics: what the unit of nginx's exporter does besides",
        path=DROP_IN,
        content=rendering.render(f"metrics/{NGINX}.conf.j2", node=node, table=TABLE),
    )


def run_installed(node: Node) -> None:
    """Make both exporters run what is installed, once nginx and keepalived do."""
    if not node.metrics:
        return
    service_state.run_installed(
        name="Metrics: nginx's exporter runs what is installed",
        service=NGINX_SERVICE,
        healthy=_answers(node, node.metrics_nginx_port, "nginx_up 1"),
    )
    service_state.run_installed(
        name="Metrics: Tandem's exporter runs what is installed",
        service=SERVICE,
        healthy=_answers(node, node.metrics_port, "tandem_keepalived_up 1"),
    )


def _answers(node: Node, port: int, line: str) -> str:
    url = f"http://{node.address}:{port}/metrics"
    return f"curl -sf --noproxy '*' --max-time 2 {url} | grep -qx {quoted(line)}"


@operation()
def remove() -> Generator[StringCommand, None, None]:
    """Remove what an earlier deploy with `metrics` has installed."""
    if one_file.state_of(TABLE) is None:
        host.noop("they are not installed")
        return
    batched_facts.invalidate()
    for name in (NAME, NGINX):
        yield StringCommand(f"{service_state.MANAGER} disable --now {name} 2>/dev/null || true")
    yield machine_packages.purge_on_debian(NGINX)
    yield StringCommand("nft delete table inet tandem_metrics 2>/dev/null || true")
    # The table's file last: it is what tells the next deploy that there is something to take away.
    yield StringCommand(
        f"rm -rf /etc/systemd/system/{NAME}.service {DROP_IN.rpartition('/')[0]} {PROGRAM}"
    )
    yield StringCommand(f"{service_state.MANAGER} daemon-reload && rm -f {TABLE}")
