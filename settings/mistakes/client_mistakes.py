"""What cannot work about the limits of clients."""

from __future__ import annotations

from collections.abc import Iterator

from settings.mistakes.mistake import Mistake
from settings.node import Node


def _nothing(node: Node) -> Iterator[Mistake]:
    limits = node.client_limits
    if limits and not (limits.connections or limits.requests_per_s or limits.new_connections_per_s):
        remedy = "give connections, requests_per_s or new_connections_per_s; None for no limit"
        yield Mistake(node.name, "client_limits", "no limit", remedy)


def _burst_of_nothing(node: Node) -> Iterator[Mistake]:
    limits = node.client_limits
    if limits and limits.burst and not limits.requests_per_s:
        remedy = "it is ahead of a rate: give requests_per_s as well, or no burst"
        yield Mistake(node.name, "client_limits.burst", limits.burst, remedy)


PARTS = (_nothing, _burst_of_nothing)
