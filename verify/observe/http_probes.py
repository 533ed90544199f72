"""What a machine asks over HTTP: itself, the other machines, and the VIP."""

from __future__ import annotations

from settings import Cluster, Node
from verify.observe.bundle import Bundle
from verify.observe.probe import HttpProbe, ShellProbe, of_vip

GET_TIMEOUT_S = 1
# A machine on the same network that has not accepted by then does not serve.
CONNECT_TIMEOUT_S = 0.7
# A line of its own, after the answer.
_TIMED = "\\n%{time_total}"


def requests(node: Node, cluster: Cluster) -> Bundle:
    """The machine itself, the others and the VIP asked over HTTP, then whose MAC has the VIP."""
    return Bundle(
        *_own_answers(node),
        *(get for other in cluster.peers(node) for get in _answers_of(other)),
        *(
            _far(of_vip("page:vip", vrrp.place), f"'{node.url(vrrp.vip.ip)}'", tls=node.tls)
            for vrrp in cluster.vips
        ),
        ShellProbe("neighbours", "ip -j neighbour show"),
    )


def _own_answers(node: Node) -> list[HttpProbe]:
    missing = node.url("127.0.0.1", "/tandem-verify-no-such-page")
    status = f"http://127.0.0.1:{node.http_port}/nginx_status"
    return [
        HttpProbe("nginx_page", _curl(tls=node.tls), node.url("127.0.0.1")),
        HttpProbe("nginx_missing", _curl(tls=node.tls), missing),
        HttpProbe("nginx_status", _curl(), status),
        *(HttpProbe(name, _curl(), url) for name, url in _scraped(node).items()),
    ]


def _answers_of(other: Node) -> list[HttpProbe]:
    status = f"http://{other.address}:{other.http_port}/nginx_status"
    return [
        _far(f"page:{other.name}", other.url(other.address), tls=other.tls),
        _far(f"status:{other.name}", status),
        *(_far(f"{name}:{other.name}", url) for name, url in _scraped(other).items()),
    ]


def scrape_ports(node: Node) -> dict[str, int]:
    """The exporters' ports, by what their probe is called."""
    return {"metrics_nginx": node.metrics_nginx_port, "metrics_node": node.metrics_port}


def _scraped(node: Node) -> dict[str, str]:
    """The exporters' addresses, by what their probe is called."""
    if not node.metrics:
        return {}
    return {
        name: f"http://{node.address}:{port}/metrics" for name, port in scrape_ports(node).items()
    }


def _far(name: str, url: str, *, tls: bool = False) -> HttpProbe:
    """Asked of another machine: how long it took is of interest, and it may be gone."""
    return HttpProbe(name, f"{_curl(tls=tls)} --connect-timeout {CONNECT_TIMEOUT_S}", url, _TIMED)


def _curl(*, tls: bool = False) -> str:
    """How curl asks. Whose certificate it is, TLS-01 tells."""
    return f"-si --noproxy '*' --max-time {GET_TIMEOUT_S}" + (" -k" if tls else "")
