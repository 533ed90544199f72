"""This machine's own Debian mirrors, as its apt has them, and apt configuration for the guests.

Only `ask` runs apt; everything else is pure.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from controller import mirror
from lab.errors import LabError
from lab.host.process import run
from lab.paths import lab_cache

# apt options of this machine that its mirrors may need; the guests get them too.
CARRIED = ("Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::Max-FutureTime")
PROXY = "Acquire::http::Proxy"


@dataclass(frozen=True)
class Mirrors:
    """URIs of Debian's archives, the apt options they need, and the proxy to them ("" for none)."""

    main: str
    security: str
    options: tuple[tuple[str, str], ...]
    upstream: str

    @property
    def host_names(self) -> tuple[str, ...]:
        hosts = [urlsplit(uri).hostname or "" for uri in (self.main, self.security) if uri]
        return tuple(dict.fromkeys(hosts))


def ask() -> Mirrors:
    """This machine's mirrors. Raises `LabError` if apt has none over http."""
    # Container images disable apt's package cache; each call would take a second.
    cache = lab_cache() / "apt.pkgcache.bin"
    cache.parent.mkdir(parents=True, exist_ok=True)
    keep = ("-o", f"Dir::Cache::pkgcache={cache}")
    targets = run(["apt-get", *keep, *mirror.LIST])
    names = [*CARRIED, PROXY]
    return parse(targets, run(["apt-config", "dump", *names]), os.environ.get("http_proxy", ""))


def parse(targets: str, configuration: str, http_proxy: str) -> Mirrors:
    """Mirrors from `apt-get indextargets`, `apt-config dump`, and the environment's proxy.

    Raises `LabError` if apt has none over http.
    """
    archives = mirror.parse(targets)
    if "Debian" not in archives:
        raise LabError(
            "apt knows no Debian mirror over http here: `apt-get update` has to work first."
        )
    settings: dict[str, str] = dict(re.findall(r'^(\S+) "(.+)";$', configuration, re.MULTILINE))
    proxy = settings.get(PROXY) or http_proxy
    return Mirrors(
        main=archives["Debian"],
        security=archives.get("Debian-Security", ""),
        options=tuple((name, settings[name]) for name in CARRIED if name in settings),
        upstream="" if proxy == "DIRECT" else proxy,
    )


def sources(mirrors: Mirrors, suite: str) -> list[str]:
    """The lines of a sources.list for a machine of `suite`."""
    lines = [f"deb {mirrors.main} {suite} main", f"deb {mirrors.main} {suite}-updates main"]
    if mirrors.security:
        lines.append(f"deb {mirrors.security} {suite}-security main")
    return lines


def options(mirrors: Mirrors) -> list[str]:
    """The apt options that these mirrors need, as lines of apt.conf."""
    return [f'{name} "{value}";' for name, value in mirrors.options]


def through(mirrors: Mirrors, proxy: str) -> list[str]:
    """Lines of apt.conf for using the package proxy at the URL `proxy`.

    Also per host: that takes precedence over a proxy in this machine's own configuration.
    """
    hosts = ["", *(f"::{host}" for host in mirrors.host_names)]
    names = [f"{scheme}::Proxy{host}" for host in hosts for scheme in ("http", "https")]
    return [*options(mirrors), *(f'Acquire::{name} "{proxy}";' for name in names)]
