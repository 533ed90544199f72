"""The cache: which answers of applications are kept, where, and for how long."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from settings.values import Pairs, Values

Cookie = Annotated[str, Field(pattern=r"^\w{1,64}$")]


def _statuses(value: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    for statuses, seconds in value:
        if not re.fullmatch(r"any|[1-5]\d\d( [1-5]\d\d)*", statuses) or seconds < 0:
            raise ValueError("no status")
    return value


class KeptAnswers(Values):
    """How answers are kept: of all applications, or of one path."""

    valid_s: Annotated[Pairs[str, int], AfterValidator(_statuses)] = Field(
        (("200 301 302", 600), ("404", 60)),
        description='seconds by status, {"200 301 302": 600, "404": 60, "any": 10}',
    )
    stale: bool = Field(True, description="True or False")
    lock: bool = Field(True, description="True or False")
    # nginx knows a cookie as a variable: $cookie_NAME.
    private_cookies: tuple[Cookie, ...] = Field((), description='a list of cookies, ["session"]')


class Cache(KeptAnswers):
    """Answers of upstreams, kept on the disk."""

    path: str = Field(
        "/var/cache/nginx",
        pattern=r"^/(var/cache|srv|mnt|data)(/[\w-][\w.-]*)+$",
        description="a directory of its own below /var/cache, /srv, /mnt or /data",
    )
    size_mb: int = Field(1024, ge=1, le=100_000_000, description="1 to 100000000 megabytes")
    zone_mb: int = Field(
        16, ge=1, le=65536, description="1 to 65536 megabytes; 1 holds about 8000 answers' keys"
    )
    inactive_s: int = Field(86400, ge=1, le=31_536_000, description="1 to 31536000 whole seconds")

    def of_path(self, own: KeptAnswers) -> KeptAnswers:
        """How the answers of a path with its `own` options are kept; all else is as for all."""
        return self.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


def _switched(given: Any) -> Any:
    """True as nothing of its own, False as None."""
    return ({} if given else None) if isinstance(given, bool) else given


KeptOrNot = Annotated[KeptAnswers | None, BeforeValidator(_switched)]
KEPT = KeptAnswers.model_validate({})
