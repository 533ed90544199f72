"""nginx's security advisories: which of them concern a release, as it was compiled. Pure.

The table is advisories.json beside this. Its `as_of` says when it was last brought up to date; what
was published later it cannot know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

_TABLE = Path(__file__).with_name("advisories.json")
# Modules that are only there when configure was asked for them; all others, unless it was told to
# leave them out. (auto/options in nginx's source.)
_ASKED_FOR = frozenset(
    {
        *("http_ssl_module", "http_v2_module", "http_v3_module", "http_spdy_module"),
        *("http_mp4_module", "http_dav_module", "http_slice_module"),
        *("mail", "mail_ssl_module"),
        *("stream", "stream_ssl_module", "stream_ssl_preread_module"),
    }
)
_SEVERITIES = ("major", "medium", "low")

Version = tuple[int, ...]


class Advisory(BaseModel):
    """One advisory.

    `modules`: where the fault is, alternatives; "a+b" needs both. `vulnerable`: ranges of releases,
    both ends included. `fixed`: the first good release of each branch that was mended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cve: str
    severity: Literal["major", "medium", "low"]
    what: str
    modules: tuple[str, ...]
    vulnerable: tuple[str, ...]
    fixed: tuple[str, ...]

    def affects(self, release: str) -> bool:
        """A release after a fix of its own branch is good, though it lies within the range."""
        version = parse(release)
        if any(version[:2] == parse(good)[:2] and version >= parse(good) for good in self.fixed):
            return False
        ends = [span.partition("-") for span in self.vulnerable]
        return any(parse(low) <= version <= parse(high or low) for low, _, high in ends)

    def concerns(self, arguments: Collection[str]) -> bool:
        """Whether a build with these arguments of configure has the module."""
        return any(
            all(_compiled_in(module, arguments) for module in needed.split("+"))
            for needed in self.modules
        )


class Table(BaseModel):
    """All advisories, where they are from, and the date (ISO 8601) up to which they are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: str
    sources: tuple[str, ...]
    advisories: tuple[Advisory, ...]


@cache
def parse(release: str) -> Version:
    """Raises ValueError for what is no release."""
    return tuple(int(number) for number in release.split("."))


@cache
def table() -> Table:
    """The advisories of advisories.json."""
    return Table.model_validate_json(_TABLE.read_text(encoding="utf-8"))


def known(release: str, arguments: Collection[str]) -> list[Advisory]:
    """What is known against this build, the worst first."""
    found = [
        advisory
        for advisory in table().advisories
        if advisory.affects(release) and advisory.concerns(arguments)
    ]
    return sorted(found, key=lambda advisory: _SEVERITIES.index(advisory.severity))


def remedy(release: str, found: Iterable[Advisory]) -> str:
    """The oldest release after this one that has none of these; "" where there is none."""
    found = tuple(found)
    later = {good for advisory in found for good in advisory.fixed if parse(good) > parse(release)}
    good = [
        candidate
        for candidate in sorted(later, key=parse)
        if not any(advisory.affects(candidate) for advisory in found)
    ]
    return good[0] if good else ""


def _compiled_in(module: str, arguments: Collection[str]) -> bool:
    if module in _ASKED_FOR:
        return f"--with-{module}" in arguments or f"--with-{module}=dynamic" in arguments
    return module == "core" or f"--without-{module}" not in arguments
