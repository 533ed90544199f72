"""What tells Prometheus of a node: nginx's exporter, Tandem's own, and who may ask them."""

from __future__ import annotations

from collections.abc import Generator
from ipaddress import collapse_addresses

from pyinfra import host
from pyinfra.api import StringCommand, operation

from controller import batched_facts, program_archive, rendering
from settings import Cluster, Node
from tasks.machine import one_file, service_state, units
from tasks.machine.survey import Machine, shell

SERVICE = "tandem-metrics"
PROGRAM = "/usr/lib/tandem/metrics"
TABLE = "/etc/tandem/metrics.nft"
# Debian's package, its service and its program are all called so.
NGINX = "prometheus-nginx-exporter"
DROP_IN = f"/etc/systemd/system/{NGINX}.service.d/tandem.conf"


def packages(node: Node) -> tuple[str, ...]:
    return (NGINX,) if node.metrics else ()


def services(node: Node) -> tuple[str, ...]:
    return (NGINX, SERVICE) if node.metrics else ()


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
    return shell(*words)


def configure(node: Node, cluster: Cluster, machine: Machine) -> None:
    """Have all that the exporters read, or have them gone.

    To be called before packages are installed: Debian starts a service the moment it has it, on
    every address, were it not told otherwise by then.
    """
    if not node.metrics:
        one_file.ahead(TABLE)
        absent(name="Metrics: not asked for")
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
    unit = units.metrics(command(node, cluster), machine, table=TABLE)
    one_file.file(name="Metrics: its unit", path=unit.path, content=unit.content, mode=unit.mode)
    one_file.file(
        name="Metrics: what the unit of nginx's exporter does besides",
        path=DROP_IN,
        content=rendering.render(f"metrics/{NGINX}.conf.j2", node=node, table=TABLE),
    )


def in_step(node: Node) -> None:
    """Have both run with what is installed, once nginx and keepalived do."""
    if not node.metrics:
        return
    service_state.in_step(
        name="Metrics: nginx's exporter runs what is installed",
        service=NGINX,
        healthy=_answers(node, node.metrics_nginx_port, "nginx_up 1"),
    )
    service_state.in_step(
        name="Metrics: Tandem's exporter runs what is installed",
        service=SERVICE,
        healthy=_answers(node, node.metrics_port, "tandem_keepalived_up 1"),
    )


def _answers(node: Node, port: int, line: str) -> str:
    url = f"http://{node.address}:{port}/metrics"
    return f"curl -sf --noproxy '*' --max-time 2 {url} | grep -qx {shell(line)}"


@operation()
def absent() -> Generator[StringCommand, None, None]:
    """Take away what an earlier deploy with metrics = True has brought."""
    if one_file.state_of(TABLE) is None:
        host.noop("there are none")
        return
    batched_facts.changed()
    for name in (SERVICE, NGINX):
        yield StringCommand(f"{service_state.MANAGER} disable --now {name} 2>/dev/null || true")
    yield StringCommand(
        f"! dpkg -s {NGINX} >/dev/null 2>&1 || "
        f"DEBIAN_FRONTEND=noninteractive apt-get -qq purge -y {NGINX}"
    )
    yield StringCommand("nft delete table inet tandem_metrics 2>/dev/null || true")
    # The table's file last: it is what tells the next deploy that there is something to take away.
    yield StringCommand(
        f"rm -rf /etc/systemd/system/{SERVICE}.service {DROP_IN.rpartition('/')[0]} {PROGRAM}"
    )
    yield StringCommand(f"{service_state.MANAGER} daemon-reload && rm -f {TABLE}")
