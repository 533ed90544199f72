"""What a cluster serves beside each machine's own page: sites, and the certificates for TLS.

Typed, frozen values, as the settings `sites`, `tls_certificate` and `tls_key` have them, and what
cannot work about them. Paths are on the controller, relative to this repository or absolute.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field, field_validator, model_validator

from settings import content
from settings.values import Values

if TYPE_CHECKING:
    from settings.node import Node

ROOT = Path(__file__).resolve().parent.parent
# Where a machine keeps its sites; each has a link `current` to the version that is served.
SITES_ROOT = "/var/lib/tandem/sites"
# Answers for a certificate authority (ACME HTTP-01): below the page's own root, so that they are
# served before there is any certificate.
CHALLENGES = "/usr/html"
# nginx has HTTP/2 in a module that the recipe's flags leave out.
TLS_FLAG = "--with-http_v2_module"
# The first release with the directive `http2`; before, it is a parameter of `listen`.
HTTP2_DIRECTIVE = (1, 25, 1)
# Tandem's own questions have this name, and no site may take them.
RESERVED = "tandem"
_NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"


class Site(Values):
    """One site: the names it answers to, and a directory or one line that it serves."""

    server_names: tuple[str, ...] = Field(
        min_length=1,
        description='names in small letters, ["www.example.org"]; the first without a *',
    )
    content: str = Field("", description="a directory on this machine")
    page: str = Field("", pattern=r"^[^\n]*$", description="one line")
    tls_certificate: str = Field("", description="the path of a PEM file")
    tls_key: str = Field("", description="the path of a PEM file")

    @field_validator("server_names")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        plain = [re.fullmatch(_NAME, name.removeprefix("*.")) for name in value]
        if not all(plain) or value[0].startswith("*."):
            raise ValueError("not names")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Site:
        if bool(self.content) == bool(self.page):
            raise ValueError("give either `content` or `page`")
        return self

    @property
    def name(self) -> str:
        """What it is called on the machines."""
        return self.server_names[0]

    @property
    def root(self) -> str:
        """What nginx serves."""
        return f"{SITES_ROOT}/{self.name}/current"


class Certificate(NamedTuple):
    """One certificate and its key, by the name they have on the machines.

    `server_names`: for whom it is. `setting`: where the person who set it finds it.
    """

    name: str
    certificate: str
    key: str
    server_names: tuple[str, ...]
    setting: str = ""


def local_path(path: str) -> Path:
    return ROOT / Path(path).expanduser()


def certificates_of(node: Node) -> tuple[Certificate, ...]:
    """Every certificate that `node` serves, the one for all who name no site first."""
    if not node.tls_certificate:
        return ()
    shared = tuple(
        name for site in node.sites if not site.tls_certificate for name in site.server_names
    )
    own = (
        Certificate(
            site.name, site.tls_certificate, site.tls_key, site.server_names, f"sites[{index}]."
        )
        for index, site in enumerate(node.sites)
        if site.tls_certificate
    )
    return (Certificate("default", node.tls_certificate, node.tls_key, shared), *own)


def mistakes(node: Node) -> Iterator[tuple[str, object, str]]:
    """What cannot work: setting, value, and what would be right."""
    yield from _site_mistakes(node)
    if bool(node.tls_certificate) != bool(node.tls_key):
        missing = "tls_key" if node.tls_certificate else "tls_certificate"
        yield missing, "", "TLS takes both: tls_certificate and tls_key"
    if node.tls_certificate and node.https_port == node.http_port:
        yield "https_port", node.https_port, "http_port is the same; give another"
    if node.hsts_s and not node.tls_certificate:
        yield "hsts_s", node.hsts_s, "HSTS is for TLS: set tls_certificate and tls_key, or 0"
    for index, site in enumerate(node.sites):
        if bool(site.tls_certificate) != bool(site.tls_key):
            missing = "tls_key" if site.tls_certificate else "tls_certificate"
            yield f"sites[{index}].{missing}", "", "TLS takes both: tls_certificate and tls_key"
        elif site.tls_certificate and not node.tls_certificate:
            yield (
                f"sites[{index}].tls_certificate",
                site.tls_certificate,
                "set tls_certificate and tls_key for all as well: who asks for another name has "
                "to be shown some certificate",
            )
    for pair in certificates_of(node):
        if pair.certificate and pair.key:
            from settings import (
                certificates,  # here, because it takes 0.07 s that nobody without TLS has to wait
            )

            found = certificates.mistakes(
                local_path(pair.certificate), local_path(pair.key), pair.server_names
            )
            for setting, remedy in found:
                value = pair.certificate if setting == "tls_certificate" else pair.key
                yield f"{pair.setting}{setting}", value, remedy


def _site_mistakes(node: Node) -> Iterator[tuple[str, object, str]]:
    names = Counter(name for site in node.sites for name in site.server_names)
    for index, site in enumerate(node.sites):
        for name in dict.fromkeys(site.server_names):
            where = f"sites[{index}].server_names"
            if names[name] > 1:
                yield where, name, "give each name once; nginx would ignore all but the first"
            if name == RESERVED or _is_address(name):
                yield where, name, "this is how Tandem asks for a machine's own page; give a name"
        if site.content:
            yield from (
                (f"sites[{index}].content", site.content, remedy)
                for remedy in _directory_mistakes(local_path(site.content))
            )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _directory_mistakes(directory: Path) -> Iterator[str]:
    try:
        entries = list(directory.iterdir())
    except OSError as error:
        yield f"give a directory that can be read ({error.strerror})"
        return
    if not entries:
        yield "this directory is empty; give one with the site's files"
        return
    try:
        content.entries(directory)
    except content.ContentError as error:
        yield str(error)
