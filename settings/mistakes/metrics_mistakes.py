"""What cannot work about metrics: who may scrape, and the ports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from settings.mistakes.mistake import Mistake
from settings.node import Node


def mistakes(node: Node) -> Iterator[Mistake]:
    """Nobody or everybody may scrape; a port is used twice."""
    if not node.metrics:
        return
    wrong = partial(Mistake.of, node)
    if not node.metrics_allow:
        yield wrong("metrics_allow", 'metrics = True: name who scrapes, like ["10.0.0.5"]')
    if any(network.prefixlen == 0 for network in node.metrics_allow):
        yield wrong("metrics_allow", "this is everybody: name the machines that scrape")
    users: dict[int, list[str]] = defaultdict(list)
    for setting in ("http_port", "metrics_nginx_port", "metrics_port"):
        users[getattr(node, setting)].append(setting)
    for same in users.values():
        for setting in same[1:]:
            yield wrong(setting, f"this is {same[0]}, too; give another port")
