"""What a machine asks over HTTP: itself, the other machines, and the VIP."""

from __future__ import annotations

from settings import Cluster, Node
from settings.values import Interface
from verify.observe.bundle import Bundle
from verify.observe.probe import HttpProbe, of_vip, told

GET_TIMEOUT_S = 1
# A machine on the same network that has not accepted by then does not serve.
CONNECT_TIMEOUT_S = 0.7
PAGE_OF_VIP, PAGE_OF_VIP6 = "page:vip", "page6:vip"
# A line of its own, after the answer.
_TIMED = "\\n%{time_total}"
# Prints nothing at all where there are none.
_NEIGHBOURS = "ip -j neighbour show"


def requests(node: Node, cluster: Cluster) -> Bundle:
    """The machine itself, the VIP and the others asked over HTTP, then whose MAC has the VIP.

    What may wait for a machine that is gone comes last, what matters most of it first.
    """
    far = [get for other in cluster.peers(node) for get in _answers_of(other)]
    # A VIP is asked as proxies in front ask it.
    spoken = "--haproxy-protocol " if node.proxy_protocol else ""
    missing = node.url("127.0.0.1", "/tandem-verify-no-such-page")
    return Bundle(
        _get("nginx_page", node.url("127.0.0.1"), tls=node.tls),
        _get("nginx_missing", missing, tls=node.tls),
        _get("nginx_status", f"http://127.0.0.1:{node.http_port}/nginx_status"),
        *(_get(name, url) for name, url in _scraped(node).items()),
        *(
            _far(name, f"{spoken}'{node.url(vip.ip)}'", tls=node.tls)
            for name, vip in _vips(cluster).items()
        ),
        *sorted(far, key=lambda get: not get.name.startswith("page:")),
        told("neighbours", f'found=$({_NEIGHBOURS}) && echo "${{found:-[]}}"', _NEIGHBOURS),
    )


def _vips(cluster: Cluster) -> dict[str, Interface]:
    """The VIPs, by what the probe of each is called."""
    found = {of_vip(PAGE_OF_VIP, each.place): each.vip for each in cluster.vips}
    # (With VRRP the IPv6 address only goes where the VIP goes. Routers of its own lead to a routed
    # cluster's.)
    if cluster.routed and cluster.vip6:
        found[PAGE_OF_VIP6] = cluster.vip6
    return found


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
    ports = scrape_ports(node) if node.metrics else {}
    return {name: f"http://{node.address}:{port}/metrics" for name, port in ports.items()}


def _far(name: str, url: str, *, tls: bool = False) -> HttpProbe:
    """Asked of another machine: how long it took is of interest, and it may be gone."""
    return _get(name, f"--connect-timeout {CONNECT_TIMEOUT_S} -w '{_TIMED}' {url}", _TIMED, tls=tls)


def _get(name: str, words: str, out: str = "", *, tls: bool = False) -> HttpProbe:
    """How curl asks. Whose certificate it is, TLS-01 tells."""
    insecure = " -k" if tls else ""
    asking = f"curl -qsi --noproxy '*' --max-time {GET_TIMEOUT_S}{insecure} {words}"
    return HttpProbe(name, asking, out=out)
