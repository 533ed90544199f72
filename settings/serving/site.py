"""What a cluster serves beside each machine's own page: sites, and the certificates for TLS.

Typed, frozen values, as the settings `sites`, `tls_certificate` and `tls_key` have them. Paths of
files are on the controller, relative to this repository or absolute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, PrivateAttr

from settings.secret_origins import SecretOrigin, origins
from settings.serving import site_names
from settings.serving.header_settings import CHOICE, HeaderChoice
from settings.serving.http_versions import OwnVersions
from settings.serving.path_options import PathDefaults
from settings.serving.places import Content, Place, Places
from settings.serving.site_options import ClientCertificates, MaintenanceOrNot
from settings.values import LENIENT, UNREAD

# Where a machine keeps its sites: a directory each, with a link `current` to what is served.
SITES_ROOT = "/var/lib/tandem/sites"
# Behind a site's name, in a name of a file, which has 255 bytes.
_LONGEST_PATH_BYTES = 80
# Tandem's own requests give this host name; no site may have it.
RESERVED = "tandem"


def _host_names(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(site_names.normal, value))


class Site(OwnVersions):
    """One site: the names it answers to, and what answers each of its paths.

    `content` or `page` is short for what answers "/".
    """

    server_names: Annotated[tuple[str, ...], AfterValidator(_host_names)] = Field(
        min_length=1,
        description='a list of names, without ports: "www.example.org", "*.example.org", '
        '".example.org" (both), "www.example.*" or "~REGEX"',
    )
    content: str = Field("", description="a directory on this machine")
    page: str = Field("", pattern=r"^[^\n]*$", description="one line")
    paths: Places = Field((), description='{"/api/": {"proxy": "NAME of an upstream"}}')
    path_defaults: PathDefaults | None = Field(
        None, description='what holds for all its paths, {"max_body_mb": 64}, or None: as for all'
    )
    hsts_s: int | None = Field(None, ge=0, description="whole seconds, or None: as for all")
    headers: HeaderChoice | None = Field(None, description=f"{CHOICE}, or None: as for all")
    tls_certificate: str = Field("", description="the path of a PEM file")
    tls_key: str = Field("", description="the path of a PEM file")
    tls_key_env: str = Field("", pattern=r"^\w*$", description="the name of a variable")
    tls_key_command: tuple[str, ...] = Field((), description="the words of a command, a list")

    client_certificates: ClientCertificates | None = Field(
        None, description='{"ca_file": "clients.pem", "verify": "on"}, or None'
    )
    maintenance: MaintenanceOrNot = Field(
        None,
        description='False, True, or {"page": "Back at noon", "allow": ["10.0.0.0/8"]}; None: as '
        "for all",
    )

    _path_defaults_of_all: PathDefaults | None = PrivateAttr(None)

    @property
    def name(self) -> str:
        """Its name on the machines: the first of its host names, where that can be a file's."""
        return site_names.file_name(self.server_names[0])

    @property
    def names_in_nginx(self) -> tuple[str, ...]:
        """Its host names as they stand in nginx's configuration."""
        return tuple(map(site_names.in_nginx, self.server_names))

    @property
    def key_origins(self) -> tuple[SecretOrigin, ...]:
        """Where its key is had from: one, if that is said."""
        return tuple(origins(vars(self), "tls_key", file="tls_key"))

    @property
    def without_own(self) -> tuple[str, ...]:
        """Its names as far as the common certificate has to have them, and they could be read."""
        if self.server_names is UNREAD or self.tls_certificate is UNREAD or self.tls_certificate:
            return ()
        return site_names.certified(self.server_names)

    def own_certificate(self, index: int) -> Certificate | None:
        """Its own, if it has one. `index`: which of the sites it is."""
        if not self.tls_certificate or not self.key_origins:
            return None
        names = site_names.certified(self.server_names)
        pair = (self.name, self.tls_certificate, self.key_origins[0], names)
        asked_as = site_names.asked_as(self.server_names)
        return Certificate(*pair, f"sites[{index}].", asked_as)

    @property
    def places(self) -> tuple[Place, ...]:
        """Every path that it answers, "/" first where it is said in short."""
        found = self.paths
        if self.content or self.page:
            given = {"path": "/", "content": self.content, "page": self.page}
            found = (Place.model_validate(given, context=LENIENT), *found)
        nearest = (place.with_defaults(self.path_defaults) for place in found)
        return tuple(place.with_defaults(self._path_defaults_of_all) for place in nearest)

    def __eq__(self, other: object) -> bool:
        """What is said for all paths is no setting of the site."""
        return isinstance(other, Site) and vars(self) == vars(other)

    def within(self, defaults: PathDefaults | None) -> Site:
        """The same site where the cluster says this for all paths."""
        site = self.model_copy()
        site._path_defaults_of_all = defaults
        return site

    @property
    def answers_everything(self) -> bool:
        """Whether every path has an answer."""
        return any(place.path == "/" for place in self.places)

    @property
    def contents(self) -> tuple[Content, ...]:
        """What a deploy brings for it."""
        return tuple(brought(self.name, self.places))


def brought(site_name: str, places: Iterable[Place]) -> Iterator[Content]:
    """What a deploy brings for these places of a site."""
    for place in places:
        if place.content or place.page:
            yield Content(content_name(site_name, place), place.content, place.page)


def content_name(site_name: str, place: Place) -> str:
    """The name of a place's files on the machines; the site's own for "/"."""
    exact = "=" if place.path != place.location else ""
    path = place.location.replace("/", ",")
    if len(path.encode()) > _LONGEST_PATH_BYTES:
        path = f",{path[1:20]}+{hashlib.sha256(path.encode()).hexdigest()[:10]}"
    return site_name if place.path == "/" else f"{site_name}{exact}{path}"


def served_directory(name: str) -> str:
    """The directory that nginx serves, for the name of a `Content`."""
    return f"{SITES_ROOT}/{name}/current"


class Certificate(NamedTuple):
    """A certificate's path, where its key is had from, and their name on the machines.

    `server_names`: the host names that it has to cover. `setting`: what stands before
    tls_certificate and tls_key where they are set, such as "sites[0].". `asked_as`: a host name
    that is shown it; "" for the one that all others are shown. `certificate_setting`: the one of
    the certificate, behind `setting`.
    """

    name: str
    certificate: str
    key: SecretOrigin
    server_names: tuple[str, ...]
    setting: str = ""
    asked_as: str = ""
    certificate_setting: str = "tls_certificate"


class ShownCertificate(NamedTuple):
    """Where clients are shown a certificate, by a name on the machines.

    `server_name`: what they have to ask for, "" for none.
    """

    name: str
    certificate: Certificate
    port: int
    server_name: str = ""
