"""What cannot work about nginx's release, its source and its flags.

A release that was withdrawn, or that Debian no longer carries, runs on machines all the same: only
a deploy, which would bring it, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from settings import releases
from settings.mistakes.mistake import Bars, Mistake
from settings.node import Node


def _release(node: Node) -> Iterator[Mistake]:
    """Releases that are refused, and sums that are not theirs."""
    wrong = partial(Mistake.of, node)
    if node.nginx_version in releases.REFUSED:
        remedy = f"{releases.REFUSED[node.nginx_version]}; give a later one"
        yield wrong("nginx_version", remedy, Bars.DEPLOY)
    elif releases.SHA256.get(node.nginx_version, node.nginx_sha256) != node.sha256:
        remedy = f"nginx {node.nginx_version} has another; leave it empty"
        yield wrong("nginx_sha256", remedy, Bars.DEPLOY)


def _origin(node: Node) -> Iterator[Mistake]:
    if node.nginx_source == "debian" and node.nginx_version not in releases.IN_DEBIAN:
        carried = ", ".join(releases.IN_DEBIAN)
        remedy = f"Debian carries {carried}; for others give nginx.org"
        yield Mistake.of(node, "nginx_source", remedy, Bars.DEPLOY)


def _perl(node: Node) -> Iterator[Mistake]:
    if any(flag.startswith(releases.PERL_FLAG) for flag in node.nginx_extra_flags):
        remedy = "leave perl's flag out, and set perl = True"
        yield Mistake.of(node, "nginx_extra_flags", remedy)


PARTS = (_release, _origin, _perl)
