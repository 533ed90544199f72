"""What cannot work about sites and TLS: names, directories, certificates that are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from settings import content
from settings.mistakes.mistake import Bars, Mistake
from settings.node import Node
from settings.site import RESERVED, Site
from settings.values import local_path

BOTH = "TLS takes both: tls_certificate and tls_key"


def mistakes(node: Node) -> Iterator[Mistake]:
    """What is wrong with the sites of one machine, and with its certificates."""
    for setting, value, remedy in (*_names(node), *_tls(node)):
        yield Mistake(node.name, setting, value, remedy)
    for index, site in enumerate(node.sites):
        for remedy in _in_directory(local_path(site.content)) if site.content else ():
            setting = f"sites[{index}].content"
            # Somebody may have moved it since it was deployed.
            yield Mistake(node.name, setting, site.content, remedy, Bars.DEPLOY)
    if node.certificates:
        # Imported here, because it takes 0.07 s, and most machines have no TLS.
        from settings.mistakes import certificate_mistakes

        for pair in node.certificates:
            yield from certificate_mistakes.mistakes(node.name, pair)


def _names(node: Node) -> Iterator[tuple[str, object, str]]:
    """(setting, its value, what would be right)"""
    counts = Counter(name for site in node.sites for name in site.server_names)
    for index, site in enumerate(node.sites):
        for name in dict.fromkeys(site.server_names):
            setting = f"sites[{index}].server_names"
            if counts[name] > 1:
                yield setting, name, "give each name once; nginx would ignore all but the first"
            if name == RESERVED or _is_address(name):
                yield setting, name, "this is how Tandem asks for a machine's own page; give a name"


def _tls(node: Node) -> Iterator[tuple[str, object, str]]:
    """(setting, its value, what would be right)"""
    yield from _pair(node, "")
    if node.tls_certificate and node.https_port == node.http_port:
        yield "https_port", node.https_port, "http_port is the same; give another"
    if node.hsts_s and not node.tls_certificate:
        yield "hsts_s", node.hsts_s, "HSTS is for TLS: set tls_certificate and tls_key, or 0"
    for index, site in enumerate(node.sites):
        yield from _pair(site, f"sites[{index}].")
        if site.tls_certificate and site.key_origins and not node.tls_certificate:
            yield (
                f"sites[{index}].tls_certificate",
                site.tls_certificate,
                "set tls_certificate and tls_key for all as well: who asks for another name has "
                "to be shown some certificate",
            )


def _pair(given: Node | Site, prefix: str) -> Iterator[tuple[str, object, str]]:
    """What is wrong with the settings, which `prefix` begins, of a certificate and its key."""
    if bool(given.tls_certificate) != bool(given.key_origins):
        missing = "tls_key" if given.tls_certificate else "tls_certificate"
        yield f"{prefix}{missing}", "", BOTH
    for origin in given.key_origins[1:]:
        first = given.key_origins[0].setting
        yield f"{prefix}{origin.setting}", origin.where, f"{first} is set, too: give one of them"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _in_directory(directory: Path) -> Iterator[str]:
    """What would be right, if a site cannot be made of it."""
    try:
        empty = not any(directory.iterdir())
    except OSError as error:
        yield f"give a directory that can be read ({error.strerror})"
        return
    if empty:
        yield "this directory is empty; give one with the site's files"
        return
    try:
        content.entries(directory)
    except content.ContentError as error:
        yield str(error)
