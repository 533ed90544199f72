"""Certificates that are out of date: one that is served already stays, a new one is refused."""

from __future__ import annotations

import hashlib

from pyinfra import host

from settings import Bars, Mistake, Node, SettingsError
from settings.serving.site import Certificate
from settings.values import local_path
from tasks.machine.one_file import InstalledFiles


def refuse_outdated(node: Node) -> None:
    """Raises `SettingsError` for one that the machine does not have yet. Asks only if any is."""
    outdated = {pair: found for pair in node.certificates if (found := _faults(node, pair))}
    if not outdated:
        return
    there = host.get_fact(InstalledFiles, paths=tuple(map(_path, outdated)))
    refused: list[Mistake] = []
    for pair, faults in outdated.items():
        wanted = hashlib.sha256(local_path(pair.certificate).read_bytes()).hexdigest()
        served = there.get(_path(pair))
        if not served or served.sha256 != wanted:
            refused += faults
    if refused:
        raise SettingsError(refused)


def _path(pair: Certificate) -> str:
    return f"/etc/nginx/tls/{pair.name}.pem"


def _faults(node: Node, pair: Certificate) -> list[Mistake]:
    # Imported here, because it takes 0.07 s, and most machines have no TLS.
    from settings.mistakes import certificate_mistakes

    found = certificate_mistakes.mistakes(node.name, pair)
    return [mistake for mistake in found if mistake.bars is Bars.NEW_SERVICE]
