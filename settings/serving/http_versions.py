"""HTTP/2 and HTTP/3: who speaks them, what nginx needs for it, and how clients learn of it."""

from __future__ import annotations

from pydantic import Field

from settings.values import Shared, Values

# nginx has HTTP/2 in a module that the recipe's flags leave out.
HTTP2_FLAG = "--with-http_v2_module"
# The first release with the directive `http2`; before, it is a parameter of `listen`, and so holds
# for all servers of a port.
HTTP2_DIRECTIVE = (1, 25, 1)

# nginx has it in a module that the recipe's flags leave out.
HTTP3_FLAG = "--with-http_v3_module"
# The first release with the directive `http3`, which has left the experimental branch.
HTTP3_SINCE = (1, 25, 1)
# The header that tells of it, and the variable that says its value for a request: it is told of by
# servers that speak it alone, and to clients who could come.
ALT_SVC = "Alt-Svc"
TOLD = "$tandem_alt_svc"
# For so many seconds a client tries HTTP/3 first.
REMEMBERED_S = 3600


def alt_svc(port: int) -> str:
    """The header's value, for a port of UDP."""
    return f'h3=":{port}"; ma={REMEMBERED_S}'


class OwnVersions(Values):
    """The part of a site's settings that is about versions of HTTP."""

    http2: bool | None = Field(None, description="True, False, or None: as for all")
    http3: bool | None = Field(None, description="True, False, or None: as for all")


class HttpVersions(Values):
    """The part of a node's settings that is about versions of HTTP: each site's own, or these."""

    http2: Shared[bool] = Field(True, description="True or False")
    http3: Shared[bool] = Field(False, description="True or False")

    def http2_of(self, site: OwnVersions | None) -> bool:
        """Whether a site's clients may speak HTTP/2 over TLS; None: the default server's."""
        return self.http2 if site is None or site.http2 is None else site.http2

    def http3_of(self, site: OwnVersions | None) -> bool:
        """Whether they may speak HTTP/3."""
        return self.http3 if site is None or site.http3 is None else site.http3
