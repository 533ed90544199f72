"""Machines that were of a cluster, and still take part in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pyinfra.api import FactBase, Host, State

import settings
from controller import all_hosts
from settings import Mistake
from settings.values import in_url


class StillServing(FactBase[list[str]]):
    """Which of some addresses have a node's nginx, asked from a machine beside them."""

    default = list

    def command(self, addresses: tuple[str, ...], http_port: int) -> str:
        urls = [f"http://{in_url(address)}:{http_port}/tandem-health" for address in addresses]
        asks = [
            f"curl -qfs --noproxy '*' -o /dev/null --max-time 1 {url} && echo {url}; "
            for url in urls
        ]
        return "".join(asks) + "true"

    def process(self, output: list[str]) -> list[str]:
        return [str(urlsplit(url).hostname) for url in output]


def found(state: State, peers: Mapping[str, frozenset[str]]) -> Iterator[Mistake]:
    """Machines that are no longer named in the inventory and still take part in a cluster.

    + peers: the addresses that each machine's keepalived sends adverts to, or its hand-over gives
      segments, by the machine's name, without those of machines that are part of this run.
    """
    former: dict[str, tuple[str, ...]] = {}
    for host in state.inventory:
        if host.name in peers:
            _, cluster = settings.of(host)
            ours = {str(own) for node in cluster.nodes for own in node.own_addresses}
            former[host.name] = tuple(sorted(peers[host.name] - ours))
    if not any(former.values()):
        return

    def arguments(host: Host) -> dict[str, Any]:
        return {"addresses": former[host.name], "http_port": settings.of(host)[0].http_port}

    for name, addresses in all_hosts.get_facts(state, StillServing, arguments).items():
        _, cluster = settings.of(state.inventory.get_host(name))
        for address in addresses:
            remedy = (
                f"it was a machine of {cluster.name} and still takes part: it would take "
                f"{cluster.vip.ip} as well. On it: systemctl disable --now keepalived nginx "
                "tandem-watch tandem-handover; or name it in the inventory again"
            )
            if cluster.routed:
                remedy = (
                    f"it was a machine of {cluster.name} and still takes part: connections that it "
                    "has would end as soon as routers send them to another. Name it in the "
                    "inventory again, and take it off with teardown.py --limit; or, on it: "
                    "systemctl disable --now bird nginx tandem-watch tandem-handover"
                )
            yield Mistake(cluster.name, "peer", address, remedy)
