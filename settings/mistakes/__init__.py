"""What cannot work although every value is right by itself: a module for each subject."""

from __future__ import annotations

from collections.abc import Iterator

from settings.mistakes import (
    metrics_mistakes,
    path_mistakes,
    proxy_mistakes,
    release_mistakes,
    site_mistakes,
    vip_mistakes,
)
from settings.mistakes.mistake import Mistake
from settings.node import Node

# Each judges one machine's settings.
SUBJECTS = (
    *(vip_mistakes, release_mistakes, metrics_mistakes, proxy_mistakes, site_mistakes),
    path_mistakes,
)


def of_node(node: Node) -> Iterator[Mistake]:
    """What is wrong with one machine, whatever its cluster is like."""
    for subject in SUBJECTS:
        yield from subject.mistakes(node)
