"""What cannot work about metrics: the settings of one machine, seen together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from settings.node import Node


def mistakes(node: Node) -> Iterator[tuple[str, str]]:
    """Settings and what would be right."""
    if not node.metrics:
        return
    if not node.metrics_allow:
        yield "metrics_allow", 'metrics = True: name who scrapes, like ["10.0.0.5"]'
    if any(network.prefixlen == 0 for network in node.metrics_allow):
        yield "metrics_allow", "this is everybody: name the machines that scrape"
    users: dict[int, list[str]] = defaultdict(list)
    for setting in ("http_port", "metrics_nginx_port", "metrics_port"):
        users[getattr(node, setting)].append(setting)
    for same in users.values():
        for setting in same[1:]:
            yield setting, f"this is {same[0]}, too; give another port"
