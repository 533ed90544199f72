"""One question to a machine: a shell command, or an HTTP request that it makes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ShellProbe:
    """A command, run by `sh`. `shown` replaces it in reports where it is not fit for a person."""

    name: str
    command: str
    shown: str = ""

    @property
    def text(self) -> str:
        """What a person is shown."""
        return self.shown or self.command


@dataclass(frozen=True)
class HttpProbe(ShellProbe):
    """A GET by curl, which prints the answer with its headers, and then `out`, its --write-out."""

    out: str = ""


def of_vip(probe: str, place: int) -> str:
    """The name of what is asked for each VIP of a cluster; the first one's has none added."""
    return f"{probe}@{place}" if place else probe
