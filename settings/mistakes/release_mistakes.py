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


def mistakes(node: Node) -> Iterator[Mistake]:
    """Releases that are refused, sums and origins that are not theirs, perl's flag."""
    wrong = partial(Mistake.of, node)
    if node.nginx_version in releases.REFUSED:
        remedy = f"{releases.REFUSED[node.nginx_version]}; give a later one"
        yield wrong("nginx_version", remedy, Bars.DEPLOY)
    elif releases.SHA256.get(node.nginx_version, node.nginx_sha256) != node.sha256:
        remedy = f"nginx {node.nginx_version} has another; leave it empty"
        yield wrong("nginx_sha256", remedy, Bars.DEPLOY)
    if node.nginx_source == "debian" and node.nginx_version not in releases.IN_DEBIAN:
        carried = ", ".join(releases.IN_DEBIAN)
        remedy = f"Debian carries {carried}; for others give nginx.org"
        yield wrong("nginx_source", remedy, Bars.DEPLOY)
    if any(flag.startswith(releases.PERL_FLAG) for flag in node.nginx_extra_flags):
        yield wrong("nginx_extra_flags", "leave perl's flag out, and set perl = True")
