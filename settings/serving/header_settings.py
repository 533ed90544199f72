"""Headers that nginx adds to what it answers: a profile, and what settings change of it.

Written as "app", "strict" or {"NAME": "VALUE"}; kept as pairs, in which the name `PROFILE` stands
for the profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from settings.serving.http_versions import ALT_SVC
from settings.serving.path_options import Headers
from settings.values import Words

PROFILE = "profile"
NO_GUESSING = {"X-Content-Type-Options": "nosniff"}
PROFILES: dict[str, dict[str, str]] = {
    "app": {**NO_GUESSING, "X-Frame-Options": "SAMEORIGIN"},
    "strict": {
        **NO_GUESSING,
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Content-Security-Policy": "default-src 'self'; base-uri 'self'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    },
}
HSTS = "Strict-Transport-Security"
CACHE_STATUS = "X-Cache-Status"
_NGINX = "nginx says this itself, and would say it twice or wrongly: leave it out"
# What is not sent by `headers`, by its name in small letters, and what to do instead.
NOT_SENT = {
    **dict.fromkeys(
        (
            *("accept-ranges", "allow", "connection", "content-encoding", "content-length"),
            *("content-range", "date", "etag", "keep-alive", "last-modified", "location", "server"),
            *("te", "trailer", "transfer-encoding", "upgrade", "www-authenticate"),
        ),
        _NGINX,
    ),
    "content-type": "a file's ending says this (mime.types), or the application: leave it out",
    HSTS.lower(): "set hsts_s, which sends it over TLS alone",
}
# Of those that browsers know: a name that is nearly one of them may be a slip.
KNOWN = (
    *(name for profile in PROFILES.values() for name in profile),
    *("Access-Control-Allow-Credentials", "Access-Control-Allow-Headers"),
    *("Access-Control-Allow-Methods", "Access-Control-Allow-Origin"),
    *("Access-Control-Expose-Headers", "Access-Control-Max-Age", "Cache-Control"),
    *("Content-Disposition", "Content-Language", "Content-Security-Policy-Report-Only"),
    *("Clear-Site-Data", "Cross-Origin-Embedder-Policy", "Cross-Origin-Resource-Policy"),
    *("Expires", "Link", "Origin-Agent-Cluster", "Pragma", "Referrer-Policy", "Refresh"),
    *("Reporting-Endpoints", "Server-Timing", "Service-Worker-Allowed", "Set-Cookie", "SourceMap"),
    *("Timing-Allow-Origin", "Vary", "X-DNS-Prefetch-Control", "X-Permitted-Cross-Domain-Policies"),
    *("X-Robots-Tag", "X-XSS-Protection", ALT_SVC, CACHE_STATUS),
)
# Of those that applications know, the same.
ASKED = (
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"),
    *("X-Forwarded-Proto", "X-Forwarded-Server", "X-Forwarded-User", "X-Real-IP", "Forwarded"),
    *("X-Script-Name", "X-Request-ID", "X-Correlation-ID", "X-Accel-Mapping", "X-Sendfile-Type"),
    *("X-Remote-User", "Remote-User", "X-SSL-Client-Verify", "X-SSL-Client-S-DN", "X-Api-Key"),
    *("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie", "Host", "Origin"),
    *("Proxy-Authorization", "Range", "Referer", "User-Agent", "Via", "X-Requested-With"),
)


def _chosen(given: Any) -> Any:
    return ((PROFILE, given),) if isinstance(given, str) else given


def _known_profile(value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    if not all(text in PROFILES for name, text in value if name == PROFILE):
        raise ValueError("no profile")
    return value


HeaderChoice = Annotated[
    Headers, AfterValidator(_known_profile), BeforeValidator(_chosen), Words(tuple(PROFILES))
]
CHOICE = (
    '"app", "strict", or {"NAME": "VALUE"} on top of one, {"X-Frame-Options": "", "profile": '
    '"strict"}; values of 4000 bytes at the most'
)


def changed(
    before: Mapping[str, str], always: Mapping[str, str], choice: Headers | None
) -> dict[str, str]:
    """The headers that are sent, by name, where those of `before` would be without `choice`.

    `always`: those that no profile takes away.
    """
    own = dict(choice or ())
    sent = dict(before)
    if profile := own.pop(PROFILE, ""):
        sent = PROFILES[profile] | dict(always)
    for name, value in own.items():
        sent = {each: text for each, text in sent.items() if each.lower() != name.lower()}
        if value:
            sent[name] = value
    return sent
