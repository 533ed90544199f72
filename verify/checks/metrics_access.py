"""MET: does Prometheus get what it is to get, and nobody else?"""

from __future__ import annotations

from collections.abc import Iterator

from settings import Node
from verify.checks.check import Answer, Here, faultless, on_host
from verify.checks.premises import has_metrics
from verify.observe.http_probes import scrape_ports
from verify.observe.machine_probes import WATCH
from verify.read.nft_output import Scrapers, networks, shown


def _well(node: Node) -> dict[str, str]:
    """The line of a healthy exporter, by the probe that asks it."""
    speaks = (
        f'tandem_service_active{{service="{WATCH}"}}' if node.routed else "tandem_keepalived_up"
    )
    return {"metrics_nginx": "nginx_up 1", "metrics_node": f"{speaks} 1"}


@on_host(
    "MET-01",
    "both exporters answer, on the node's address only",
    reads=("metrics_nginx", "metrics_node", "listeners"),
    needs=(has_metrics,),
    settles=True,
    reason="Missing metrics raise no alarm; metrics on the VIP would describe another machine "
    "after each move.",
    remedy="systemctl status prometheus-nginx-exporter tandem-metrics; or run deploy.py.",
)
def answers(here: Here) -> Answer:
    ports, well = scrape_ports(here.node), _well(here.node)
    faults = []
    for probe, port in ports.items():
        got = here.machine.asked(probe)
        if got.status != 200:
            faults.append(f"port {port}: {got.status or got.body}")
        elif well[probe] not in got.body.splitlines():
            faults.append(f"port {port} does not say {well[probe]}")
    own = str(here.node.address)
    faults += [
        f"it listens on {listener.address}:{listener.port}"
        for listener in here.machine.listeners
        if listener.port in ports.values() and listener.address != own
    ]
    expected = " and ".join(f"{own}:{port}" for port in ports.values())
    return faultless(faults, expected=expected)


@on_host(
    "MET-02",
    "only those in metrics_allow can read metrics",
    reads=("metrics_table", "metrics_nginx:{name}", "metrics_node:{name}"),
    needs=(has_metrics,),
    settles=True,
    reason="Metrics tell how busy the site is and which node is weak at the moment.",
    remedy="nft --file /etc/tandem/metrics.nft, or run deploy.py; tandem-metrics keeps it loaded.",
)
def closed(here: Here) -> Answer:
    faults = list(_table_faults(here.machine.scrapers, here.node))
    for name, other in here.others.items():
        address = next(node.address for node in here.cluster.nodes if node.name == name)
        may = any(address in network for network in here.node.metrics_allow)
        for probe, port in scrape_ports(here.node).items():
            status = other.asked(f"{probe}:{here.node.name}", timed=True).status
            if status and not may:
                faults.append(f"{name} reads port {port}")
            elif not status and may:
                faults.append(f"{name}, which may, cannot read port {port}")
    return faultless(faults, expected=f"{shown(networks(here.node.metrics_allow))} alone")


def _table_faults(found: Scrapers | None, node: Node) -> Iterator[str]:
    if found is None:
        yield "there is no table tandem_metrics"
        return
    if not found.rejects_others:
        yield "the table tandem_metrics rejects nobody"
    if found.accepted != networks(node.metrics_allow):
        yield f"the table tandem_metrics accepts {shown(found.accepted) or 'nobody'}"
    unguarded = sorted({str(port) for port in scrape_ports(node).values()} - found.ports)
    yield from (f"the table tandem_metrics is not for port {port}" for port in unguarded)
