"""What cannot work although every value is right by itself: a module for each subject.

Each says in `PARTS` what it judges one by one: where a value could not be read, only those parts
that depend on it say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from settings.mistakes import (
    client_mistakes,
    metrics_mistakes,
    place_mistakes,
    proxy_mistakes,
    release_mistakes,
    routed_mistakes,
    site_mistakes,
    vip_mistakes,
)
from settings.mistakes.mistake import Mistake
from settings.mistakes.passed_on import stream_mistakes
from settings.mistakes.paths import path_mistakes, redirect_mistakes
from settings.mistakes.routers import router_mistakes
from settings.node import Node
from settings.values import judged

SUBJECTS = (
    *(vip_mistakes, release_mistakes, metrics_mistakes, proxy_mistakes, site_mistakes),
    *(client_mistakes, path_mistakes, place_mistakes, stream_mistakes),
    *(redirect_mistakes, routed_mistakes, router_mistakes),
)


def of_node(node: Node) -> Iterator[Mistake]:
    """What is wrong with one machine, whatever its cluster is like."""
    for subject in SUBJECTS:
        for part in subject.PARTS:
            yield from judged(part(node))
