"""HTTP/3: what nginx needs for it, and how clients learn of it."""

from __future__ import annotations

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
