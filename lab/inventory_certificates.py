"""Certificates that an inventory names and that are not here yet: which `lab ca` makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from lab.paths import AUTHORITY, checkout_of
from settings.cluster import Cluster
from settings.serving.site import Certificate
from settings.values import local_path


def notes(clusters: Sequence[Cluster]) -> Iterator[str]:
    """A line for each; the lab itself needs none of them."""
    wanted: dict[str, Certificate] = {}
    addresses: dict[str, list[str]] = {}
    for cluster in clusters:
        for node in cluster.nodes:
            for pair in node.certificates:
                if not local_path(pair.certificate).exists():
                    wanted.setdefault(pair.certificate, pair)
                    known = addresses.setdefault(pair.certificate, [])
                    # Whoever asks for an address is shown the common one.
                    known += [] if pair.setting else [str(vip.ip) for vip in cluster.addresses]
    for path, pair in wanted.items():
        names = dict.fromkeys((*addresses[path], *pair.server_names))
        yield f"{pair.setting}tls_certificate = {path!r} is not there yet. {_remedy(pair, names)}"


def _remedy(pair: Certificate, names: dict[str, None]) -> str:
    path = local_path(pair.certificate)
    folder = checkout_of(Path.cwd()) / AUTHORITY
    ours = path.parent == folder and path.suffix == ".pem"
    name = path.stem if ours else "web"
    said = f" --name {quote(name)}" if name != "web" else ""
    command = f".venv/bin/lab ca{said} {' '.join(quote(each) for each in names)}"
    if not ours:
        paths = f"{AUTHORITY}/{name}.pem and {AUTHORITY}/{name}.key"
        return f"One of the lab's own to try with, {paths}: {command}"
    if local_path(str(pair.key.where)) != path.with_suffix(".key"):
        command += f"   (its key: {AUTHORITY}/{name}.key)"
    return f"Before a deploy: {command}"
