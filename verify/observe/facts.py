"""pyinfra's edge: each fact is one round trip to a machine."""

from __future__ import annotations

from pyinfra.api import FactBase

from verify.observe.bundle import RoundTrip


class Now(FactBase[str]):
    """The machine's clock, in seconds since the epoch."""

    def command(self) -> str:
        return "date +%s.%N"


class ProbeOutputs(FactBase[str]):
    """What the probes of a round trip print, in one piece: `asked.read` takes it apart."""

    default = str

    def command(self, asked: RoundTrip) -> str:
        return asked.script
