"""What cannot work about metrics: who may scrape, and the ports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from settings.mistakes.mistake import Mistake
from settings.node import Node
from settings.values import UNREAD


def _who_scrapes(node: Node) -> Iterator[Mistake]:
    if not node.metrics:
        return
    wrong = partial(Mistake.of, node)
    if not node.metrics_allow:
        yield wrong("metrics_allow", 'metrics = True: name who scrapes, like ["10.0.0.5"]')
    if any(network.prefixlen == 0 for network in node.metrics_allow):
        yield wrong("metrics_allow", "this is everybody: name the machines that scrape")


def _ports(node: Node) -> Iterator[Mistake]:
    """A port that is used twice."""
    if not node.metrics:
        return
    users: dict[int, list[str]] = defaultdict(list)
    for setting in ("http_port", "metrics_nginx_port", "metrics_port"):
        if (port := getattr(node, setting)) is not UNREAD:
            users[port].append(setting)
    for same in users.values():
        for setting in same[1:]:
            yield Mistake.of(node, setting, f"this is {same[0]}, too; give another port")


PARTS = (_who_scrapes, _ports)
