"""pyinfra's edge: each fact is one round trip to a machine."""

from __future__ import annotations

from pyinfra.api import FactBase

from verify.observe.bundle import Round


class Now(FactBase[str]):
    """The machine's clock, in seconds since the epoch."""

    def command(self) -> str:
        return "date +%s.%N"


class Answers(FactBase[str]):
    """What a round's probes print, still in one piece: `asked.read` takes it apart."""

    default = str

    def command(self, asked: Round) -> str:
        return asked.script
