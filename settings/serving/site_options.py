"""What a whole site may have beside names and paths: clients' certificates, and its maintenance."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from settings.serving.path_options import Networks, short_enough
from settings.values import Remedy, Shared, Values, written

# The first releases in which a session that one site has begun opens no other (CVE-2025-23419).
_KEEPS_SESSIONS_APART = ((1, 26, 3), (1, 27, 4))


class ClientCertificates(Values):
    """Whose certificates a client may show.

    `verify`: "on" lets nobody else in; with "optional" the application decides, by what it is told.
    """

    ca_file: str = Field(min_length=1, description="the path of a PEM file with authorities")
    verify: Literal["on", "optional"] = Field("on", description='"on" or "optional"')
    depth: int = Field(2, ge=1, le=10, description="1 to 10 certificates up to the authority's")


def quoted(text: str) -> str:
    """Text between double quotes in nginx's configuration. It has no $ in it."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _page(value: str) -> str:
    if "$" in value:
        raise Remedy("nginx would take a $ for a variable: write &#36;, which HTML shows as one")
    short_enough(quoted(value))
    return value


class Maintenance(Values):
    """What all who ask for a site get meanwhile, with 503: but for those that are allowed.

    `closed`: False for a site that is served where all others are closed.
    """

    page: Annotated[str, AfterValidator(_page)] = Field(
        "Under maintenance. Please come back later.",
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="one line of HTML, 4000 bytes at the most",
    )
    allow: Networks = Field(
        (), description='a list of addresses and networks, ["10.0.0.0/8"]; they are served'
    )
    retry_after_s: int = Field(3600, ge=1, le=2_592_000, description="1 to 2592000 whole seconds")
    closed: bool = Field(True, description="True or False")

    @property
    def quoted_page(self) -> str:
        """The page as it stands between double quotes in nginx's configuration."""
        return quoted(self.page)


def _switched(given: Any) -> Any:
    """True as all that is said by default, and False as a site that is not closed."""
    if isinstance(given, str):
        raise Remedy(f'give False, True, or {{"page": {written(given)}}}')
    return {"closed": given} if isinstance(given, bool) else given


def keeps_sessions_apart(release: tuple[int, ...]) -> bool:
    """Whether what one site of this nginx has found out of a client holds for that site alone."""
    stable, newer = _KEEPS_SESSIONS_APART
    return release >= newer or stable <= release < (1, 27, 0)


MaintenanceOrNot = Annotated[Maintenance | None, BeforeValidator(_switched)]


class ClosedSites(Values):
    """The part of a node's settings that closes all sites for a while."""

    maintenance: Shared[MaintenanceOrNot] = Field(
        None, description='False, True, or {"page": "Back at noon", "allow": ["10.0.0.0/8"]}'
    )

    def maintenance_of(self, own: Maintenance | None) -> Maintenance | None:
        """What clients of a site with its `own` get for now in the place of what it serves, if it
        is closed."""
        said = self.maintenance if own is None else own
        return said if said and said.closed else None
